import { createRoute, z } from '@hono/zod-openapi';
import type { Core } from '../../core/core.ts';
import { followJobEvents } from '../../core/events/job-feed.ts';
import { positionOf } from '../../core/events/position.ts';
import { findJob, listJobEvents, seqAt } from '../../core/jobs/find.ts';
import { readerOf } from '../../lib/latest.ts';
import { EVENT_STREAM, respondWithStream, wantsStream, type SentEvent } from './event-stream.ts';
import { exampleEvent } from './examples.ts';
import { said } from './field-words.ts';
import { jobEventView, viewOfJobEvent, type JobEvent } from './event-view.ts';
import { jobId } from './jobs.ts';
import type { Job } from './job-view.ts';
import type { OpenRequests } from './open-requests.ts';
import { problemResponses } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter, doors, jsonOutput } from './router.ts';
import { wholeNumberOr } from './whole-number.ts';

type Parts = Pick<RestParts, 'core' | 'viewerOf' | 'stopping' | 'log'>;

/** What happened to one job: as a list, or as a stream that goes on. */
export function jobEventRoutes({ core, viewerOf, stopping, log }: Parts, open: OpenRequests) {
  const { reading } = doors(viewerOf);
  const router = createRouter();
  router.openapi({ ...events, ...reading }, async (context) => {
    const viewer = context.get('viewer');
    const { limit, ...query } = context.req.valid('query');
    const lastId = context.req.valid('header')['last-event-id'];
    const job = await findJob(core, viewer, context.req.valid('param').id);
    if (wantsStream(context)) {
      const after = await seqOf(core, job, lastId === undefined ? ['after', query.after] : ['Last-Event-ID', lastId]);
      const followed = followJobEvents(core, core, viewer, { id: job.id, afterSeq: after });
      return respondWithStream(context, sent(followed), { stopping, log, onEnd: open.take(viewer) });
    }
    const after = await seqOf(core, job, ['after', query.after]);
    const page = await listJobEvents(core, job, { limit, descending: false, after });
    return context.json({ _count: page.length, events: page.map(viewOfJobEvent) }, 200);
  });
  return router;
}

/** A `seq`, or a cursor, which stands for the `seq` that the job had reached there. */
async function seqOf(core: Core, job: Job, [name, text]: [string, string | undefined]): Promise<number> {
  if (text === undefined) return 0;
  if (/^\d{1,10}$/.test(text)) return Math.min(Number(text), 2_147_483_646);
  return seqAt(core, job, positionOf(name, text));
}

function sent(events: AsyncGenerator<JobEvent, void, undefined>): AsyncGenerator<SentEvent, void, undefined> {
  async function* steps(): AsyncGenerator<SentEvent, void, undefined> {
    for await (const event of events) {
      const view = viewOfJobEvent(event);
      yield { id: view.cursor, data: view };
    }
  }
  return readerOf({ end: () => void events.return() }, steps());
}

const list = z.object({
  _count: said(z.int(), 'How many these are'),
  events: said(z.array(jobEventView), 'By `seq`'),
});

const events = createRoute({
  method: 'get',
  path: '/jobs/{id}/events',
  operationId: 'listJobEvents',
  tags: ['jobs'],
  summary: 'What happened to a job',
  description:
    'In order, without gaps. With `Accept: text/event-stream`, as server-sent events: what there is after the given place, then what ' +
    'follows. Each event’s `id` is its cursor, so a client that lost the stream resumes by `Last-Event-ID`, at any server. The stream ' +
    'goes on when the job has ended, because a retry may follow; it ends when the job is removed, or the key is revoked.',
  request: {
    params: jobId,
    query: z.object({
      after: z.string().optional().openapi({
        description: 'Only what comes after this `seq`, or after the event of this `cursor`',
        example: '3',
      }),
      limit: wholeNumberOr(100, 1_000),
    }),
    headers: z.object({
      'last-event-id': z
        .string()
        .optional()
        .openapi({ description: 'Of a stream: the place to resume from. It is preferred to `after`' }),
    }),
  },
  responses: {
    200: {
      description: 'The events; of a stream, one event’s `data`',
      content: {
        ...jsonOutput('', list, { _count: 1, events: [exampleEvent] }).content,
        [EVENT_STREAM]: { schema: jobEventView, example: exampleEvent },
      },
    },
    ...problemResponses(400, 401, 403, 404, 429),
  },
});
