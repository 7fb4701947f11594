import { createRoute, z } from '@hono/zod-openapi';
import { containerGroupId } from '../../core/jobs/fields.ts';
import { clearJobs, purgeJobs } from '../../core/jobs/purge.ts';
import { said } from './field-words.ts';
import { problemResponses } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter, doors, jsonOutput } from './router.ts';

/** The endpoints that remove jobs, many at once. */
export function purgeRoutes({ core, viewerOf }: Pick<RestParts, 'core' | 'viewerOf'>) {
  const { reading } = doors(viewerOf);
  const router = createRouter();

  router.openapi({ ...purge, ...reading }, async (context) => {
    const { removed, canceled } = await purgeJobs(core, context.get('viewer'), context.req.valid('param').id);
    return context.json({ count: removed + canceled }, 200);
  });
  router.openapi({ ...clear, ...reading }, async (context) => {
    await clearJobs(core, context.get('viewer'));
    return context.body(null, 204);
  });
  return router;
}

const purge = createRoute({
  method: 'delete',
  path: '/jobs/container-groups/{id}',
  operationId: 'purgeJobs',
  tags: ['jobs'],
  summary: 'Empty a container group’s queue',
  description:
    'Removes the group’s pending jobs, which are then not found, and cancels its running ones. Jobs that have ended stay. Of a job that is removed its events stay until they are too old, and the last of them has its labels. Needs a key of the role OWNER.',
  request: { params: z.object({ id: containerGroupId }) },
  responses: {
    200: jsonOutput(
      'How many jobs were removed or canceled',
      z.object({ count: said(z.int(), 'How many there were') }),
      { count: 12 },
    ),
    ...problemResponses(400, 401, 403),
  },
});

const clear = createRoute({
  method: 'delete',
  path: '/jobs',
  operationId: 'clearJobs',
  tags: ['admin'],
  summary: 'Remove every job of every account',
  description: 'For the admin. What runs is canceled first, so that its agents stop.',
  responses: { 204: { description: 'All that were there are gone' }, ...problemResponses(401, 403) },
});
