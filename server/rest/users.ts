import { createRoute, z } from '@hono/zod-openapi';
import { findAccount } from '../../core/accounts/find.ts';
import { problemResponses } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter, doors, jsonOutput } from './router.ts';

/** The endpoints about accounts, which REST calls users. */
export function userRoutes({ core, viewerOf }: Pick<RestParts, 'core' | 'viewerOf'>) {
  const { reading } = doors(viewerOf);
  const router = createRouter();
  router.openapi({ ...me, ...reading }, async (context) => {
    const { id, username, createdAt } = await findAccount(core, context.get('viewer'));
    return context.json({ id, username, created: createdAt.toISOString() }, 200);
  });
  return router;
}

const userView = z.object({ id: z.uuid(), username: z.string(), created: z.iso.datetime() }).openapi('User');

const me = createRoute({
  method: 'get',
  path: '/users/me',
  summary: 'Whose key this is',
  responses: { 200: jsonOutput('The account', userView), ...problemResponses(401, 403) },
});
