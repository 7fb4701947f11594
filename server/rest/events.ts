import { createRoute, z } from '@hono/zod-openapi';
import type { FollowedFeed } from '../../core/events/account-feed.ts';
import { eventsThatFit, feedHead, readEvents } from '../../core/events/page.ts';
import { cursorOf, positionOf, type Position } from '../../core/events/position.ts';
import { containerGroupId } from '../../core/jobs/fields.ts';
import { readerOf } from '../../lib/latest.ts';
import { EVENT_STREAM, respondWithStream, wantsStream, type SentEvent } from './event-stream.ts';
import { exampleEvent, exampleGroup, exampleId } from './examples.ts';
import { said } from './field-words.ts';
import { eventView, viewOfEvent } from './event-view.ts';
import { jobStatus } from './job-query.ts';
import type { OpenRequests } from './open-requests.ts';
import { problemResponses } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter, doors, jsonOutput } from './router.ts';
import { wholeNumberOr } from './whole-number.ts';

type Parts = Pick<RestParts, 'core' | 'viewerOf' | 'stopping' | 'log'>;

/** What happens to all jobs of the account: as a list, or as a stream that goes on. */
export function eventRoutes({ core, viewerOf, stopping, log }: Parts, open: OpenRequests) {
  const { reading } = doors(viewerOf);
  const router = createRouter();
  router.openapi({ ...events, ...reading }, async (context) => {
    const viewer = context.get('viewer');
    const { limit, after, filter } = context.req.valid('query');
    if (wantsStream(context)) {
      const place = placeOf('Last-Event-ID', context.req.valid('header')['last-event-id']) ?? placeOf('after', after);
      const followed = await core.accountFeed.follow(viewer, { after: place, filter });
      return respondWithStream(context, sent(followed), { stopping, log, onEnd: open.take(viewer) });
    }
    const page = await readEvents(core, viewer, placeOf('after', after) ?? (await feedHead(core)), limit);
    const views = (await eventsThatFit(core, viewer, filter, page.events)).map(viewOfEvent);
    const { next, more, gap } = page;
    const answer = {
      _count: views.length,
      events: views,
      next: cursorOf(next),
      more,
      gap: gap ? viewOfGap(gap) : null,
    };
    return context.json(answer, 200);
  });
  return router;
}

function placeOf(name: string, cursor: string | undefined): Position | undefined {
  return cursor === undefined ? undefined : positionOf(name, cursor);
}

function viewOfGap(oldest: Position): z.infer<typeof gapView> {
  const message =
    'Events after the given place have been removed, because they were too old. The oldest that are left follow.';
  return { message, oldest: cursorOf(oldest) };
}

function sent({ start, steps }: FollowedFeed): AsyncGenerator<SentEvent, void, undefined> {
  async function* told(): AsyncGenerator<SentEvent, void, undefined> {
    // The place to resume from, also for a client that loses the stream before it has seen any event.
    yield { id: cursorOf(start) };
    for await (const step of steps) {
      switch (step.type) {
        case 'EVENT': {
          const view = viewOfEvent(step.event);
          yield { id: view.cursor, data: view };
          break;
        }
        case 'GAP':
          yield { id: cursorOf(step.oldest), event: 'gap', data: viewOfGap(step.oldest) };
          break;
        case 'PASSED':
          yield { id: cursorOf(step.at) };
          break;
      }
    }
  }
  return readerOf({ end: () => void steps.return() }, told());
}

const gapView = z
  .object({
    message: said(z.string(), 'What has happened, for a person'),
    oldest: z.string().openapi({ description: 'Where the events begin now: all that is left comes after it' }),
  })
  .openapi('EventGap');

const list = z.object({
  _count: said(z.int(), 'How many these are'),
  events: said(z.array(eventView), 'In the order that stays'),
  next: z.string().openapi({ description: 'Where to go on, as `after`' }),
  more: z.boolean().openapi({ description: 'Whether there was more when this was read' }),
  // What is merely nullable is told as a reference, which has no words of its own.
  gap: said(z.union([gapView, z.null()]), 'Not null when events after the given place have been removed'),
});

const exampleTold = { job_id: exampleId, container_group_id: exampleGroup, ...exampleEvent };
const exampleList = { _count: 1, events: [exampleTold], next: exampleEvent.cursor, more: false, gap: null };

const events = createRoute({
  method: 'get',
  path: '/events',
  operationId: 'listEvents',
  tags: ['jobs'],
  summary: 'What happens to the account’s jobs',
  description:
    'Every event once, in an order that stays, and of each job by its `seq`. With `Accept: text/event-stream`, as server-sent events: ' +
    'what there is after the given place, then what follows. Each event’s `id` is its cursor, so a client that lost the stream ' +
    'resumes by `Last-Event-ID`, at any server and much later. An event named `gap` tells that events were removed before they could ' +
    'be told. Filters are asked of the job as it is when its event is told; once it has been removed, its container group is known, and of `PURGED` also its status, machine and labels. What else a filter asks for is then not fulfilled. The admin’s are everybody’s.',
  request: {
    query: z
      .object({
        after: z
          .string()
          .optional()
          .openapi({ description: 'Only what comes after the event of this cursor; without it, from now on' }),
        limit: wholeNumberOr(100, 1_000),
        container_group_id: containerGroupId.optional(),
        status: jobStatus.optional(),
      })
      .transform(({ after, limit, ...query }) => ({
        after,
        limit,
        filter: { containerGroupId: query.container_group_id, status: query.status && [query.status] },
      })),
    headers: z.object({
      'last-event-id': z
        .string()
        .optional()
        .openapi({ description: 'Of a stream: the cursor to resume from. It is preferred to `after`' }),
    }),
  },
  responses: {
    200: {
      description: 'At most `limit` events, fewer where a filter leaves some out; of a stream, one event’s `data`',
      content: {
        ...jsonOutput('', list, exampleList).content,
        [EVENT_STREAM]: { schema: eventView, example: exampleTold },
      },
    },
    ...problemResponses(400, 401, 403, 429),
  },
});
