import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { inTime } from '../lib/pause.ts';
import type { RestEnv, RestParts } from './rest/parts.ts';
import { problemResponses, respondWithProblem } from './rest/problem.ts';
import { createRouter, jsonOutput } from './rest/router.ts';

/** A probe should not wait longer than this for the database (milliseconds). */
const READY_WITHIN_MS = 2_000;

/** For probes, without a key. */
export function healthRoutes({ ready, log }: Pick<RestParts, 'ready' | 'log'>): OpenAPIHono<RestEnv> {
  const router = createRouter();
  for (const route of [live, readiness]) router.openAPIRegistry.registerPath(route);
  router.get(live.path, (context) => context.json({ status: 'ok' }));
  router.get(readiness.path, async (context) => {
    try {
      await inTime(READY_WITHIN_MS, ready);
      return context.json({ status: 'ok' });
    } catch (error) {
      log.error({ err: error, request_id: context.get('requestId') }, 'Not ready: the database does not answer');
      const detail = 'The database does not answer. The log of the server says why.';
      return respondWithProblem(context, { status: 503, code: 'not-ready', detail, retryAfterSeconds: 1 });
    }
  });
  return router;
}

const well = jsonOutput(
  'It is',
  z.object({ status: z.literal('ok').describe('Always this: who is not well answers otherwise, or not at all') }),
  { status: 'ok' },
);
const open = { method: 'get' as const, tags: ['probes'], security: [] };

const live = createRoute({
  ...open,
  path: '/livez',
  operationId: 'isLive',
  summary: 'Whether the server is up',
  description: 'Asks nobody else: a database that is away is no reason to start the server anew.',
  responses: { 200: well },
});

const { 503: unready } = problemResponses(503);
const readiness = createRoute({
  ...open,
  path: '/readyz',
  operationId: 'isReady',
  summary: 'Whether the server can serve',
  description: 'That is, whether the database answers within two seconds.',
  responses: { 200: well, 503: unready },
});
