import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { endMessages, type KeyEnd } from '../../core/accounts/key-watch.ts';
import type { Viewer } from '../../core/accounts/keys.ts';
import { ForbiddenError, NotFoundError } from '../../core/errors.ts';
import { findJob } from '../../core/jobs/find.ts';
import { etagOf, LONGEST_WAIT, names, preferredWait } from './conditions.ts';
import { exampleJob } from './examples.ts';
import { jobId, oneView } from './jobs.ts';
import { jobView, type Job, type JobView } from './job-view.ts';
import type { OpenRequests } from './open-requests.ts';
import { problemResponses } from './problem.ts';
import type { RestEnv, RestParts } from './parts.ts';
import { createRouter, doors, jsonOutput } from './router.ts';

type LookParts = Pick<RestParts, 'core' | 'viewerOf' | 'stopping'>;

/** Looking at one job: now, or when it has changed. */
export function jobLookRoutes(parts: LookParts, open: OpenRequests) {
  const { reading } = doors(parts.viewerOf);
  const router = createRouter();
  router.openapi({ ...get, ...reading }, async (context) => {
    const headers = context.req.valid('header');
    const wait = preferredWait(headers.prefer);
    const known = headers['if-none-match'];
    const look = { parts, viewer: context.get('viewer'), id: context.req.valid('param').id };
    const seen =
      wait === undefined || wait === 0 ? await seeNow(look) : await seeChanged(look, { wait, known, context, open });
    if (wait !== undefined) context.header('Preference-Applied', `wait=${wait}`);
    context.header('ETag', seen.etag);
    // A connection that is kept alive would keep the server from stopping.
    if (parts.stopping.aborted) context.header('Connection', 'close');
    return names(known, seen.etag) ? context.body(null, 304) : context.json(seen.view, 200);
  });
  return router;
}

interface Look {
  parts: LookParts;
  viewer: Viewer;
  id: string;
}

interface Seen {
  view: JobView;
  etag: string;
}

async function seeNow(look: Look): Promise<Seen> {
  return see(look, await findJob(look.parts.core, look.viewer, look.id));
}

async function see({ parts, viewer }: Look, job: Job): Promise<Seen> {
  const view = await oneView(parts.core, viewer, job);
  return { view, etag: etagOf(view) };
}

/**
 * The job as soon as it is another one than the client knows, or has ended; else as it is when the time is over, the client has
 * gone, or the server stops.
 * @throws RateLimitedError when too many requests of the key wait
 * @throws ForbiddenError when the key was revoked meanwhile, or has gone with its account
 */
async function seeChanged(
  look: Look,
  wish: { wait: number; known: string | undefined; context: Context<RestEnv>; open: OpenRequests },
): Promise<Seen> {
  const { core, stopping } = look.parts;
  const giveBack = wish.open.take(look.viewer);
  const states = core.watchers.watch(look.viewer, look.id);
  const over = new AbortController();
  const stop = (): void => void states.return();
  let keyEnd: KeyEnd | undefined;
  let hasSeen = false;
  const unwatch = core.keyWatch.follow(look.viewer, (why) => {
    keyEnd = why;
    stop();
  });
  for (const signal of [stopping, wish.context.req.raw.signal]) {
    signal.addEventListener('abort', stop, { signal: over.signal });
    if (signal.aborted) stop();
  }
  const timer = setTimeout(stop, wish.wait * 1_000);
  try {
    let { known } = wish;
    for await (const job of states) {
      hasSeen = true;
      const seen = await see(look, job);
      known ??= seen.etag;
      if (!names(known, seen.etag) || hasEnded(job)) return seen;
    }
    // What changes without an event, as the time of a heartbeat, is seen now.
    demandKey(keyEnd);
    return await seeNow(look);
  } catch (error) {
    // With an account go its jobs and its keys: whoever waited for one is told of the key, whichever is noticed first.
    if (error instanceof NotFoundError && hasSeen) await core.keyWatch.runOnce();
    demandKey(keyEnd);
    throw error;
  } finally {
    clearTimeout(timer);
    over.abort();
    unwatch();
    giveBack();
  }
}

function demandKey(end: KeyEnd | undefined): void {
  if (end !== undefined) throw new ForbiddenError(endMessages[end]);
}

function hasEnded(job: Job): boolean {
  return job.status !== 'PENDING' && job.status !== 'RUNNING';
}

const header = (description: string) => ({ description, schema: { type: 'string' } }) as const;
const answerHeaders = {
  ETag: header('Of this very body; to be sent back in `If-None-Match`'),
  'Preference-Applied': header('`wait=N`, when the client preferred to wait: how long it could have been'),
};

const get = createRoute({
  method: 'get',
  path: '/jobs/{id}',
  operationId: 'getJob',
  tags: ['jobs'],
  summary: 'Look at a job',
  description:
    'With `If-None-Match`, a job that is as it was is not sent again. With `Prefer: wait=N`, the answer comes when the job changes ' +
    '(from what `If-None-Match` names, or else from now), at once when it has ended, and after N seconds in any case. Heartbeats ' +
    'change the body, but wake nobody.',
  request: {
    params: jobId,
    headers: z.object({
      'if-none-match': z.string().optional().openapi({ description: 'Tags of bodies that the client has' }),
      prefer: z
        .string()
        .optional()
        .openapi({ description: `\`wait=N\`: up to N seconds, at most ${LONGEST_WAIT}`, example: 'wait=5' }),
    }),
  },
  responses: {
    200: { ...jsonOutput('The job', jobView, exampleJob), headers: answerHeaders },
    304: { description: 'The job is as the client knows it; no body', headers: answerHeaders },
    ...problemResponses(401, 403, 404, 429),
  },
});
