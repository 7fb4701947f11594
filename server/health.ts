import { setTimeout as delay } from 'node:timers/promises';
import { Hono } from 'hono';
import { respondWithProblem } from './rest/problem.ts';
import type { RestEnv, RestParts } from './rest/parts.ts';

/** A probe should not wait longer than this for the database (milliseconds). */
const READY_WITHIN_MS = 2_000;

/** For probes, without a key: `/livez` when the process is up, `/readyz` when it can serve, that is, the database answers. */
export function healthRoutes({ ready, log }: Pick<RestParts, 'ready' | 'log'>): Hono<RestEnv> {
  const router = new Hono<RestEnv>();
  router.get('/livez', (context) => context.json({ status: 'ok' }));
  router.get('/readyz', async (context) => {
    try {
      await within(READY_WITHIN_MS, ready());
      return context.json({ status: 'ok' });
    } catch (error) {
      log.error({ err: error, request_id: context.get('requestId') }, 'Not ready: the database does not answer');
      const detail = 'The database does not answer. The log of the server says why.';
      return respondWithProblem(context, { status: 503, code: 'not-ready', detail, retryAfterSeconds: 1 });
    }
  });
  return router;
}

async function within<Result>(milliseconds: number, work: Promise<Result>): Promise<Result> {
  const timer = new AbortController();
  const late = delay(milliseconds, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`No answer within ${milliseconds} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}
