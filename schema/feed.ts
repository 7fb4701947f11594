import type { FeedStep } from '../core/events/account-feed.ts';
import { feedHead } from '../core/events/page.ts';
import { cursorOf, positionOf, type Position } from '../core/events/position.ts';
import { demand } from '../core/accounts/keys.ts';
import type { JobEvent } from '../db/entities/job-event.ts';
import { builder } from './builder.ts';
import { JobEventRef } from './events.ts';
import { JobRef } from './job.ts';
import { jobFilter, JobFilterInput } from './jobs.ts';
import { shared } from './shared.ts';

type Told = Exclude<FeedStep, { type: 'PASSED' }>;

builder.objectField(JobEventRef, 'job', (t) =>
  t.field({
    type: JobRef,
    nullable: true,
    description: 'That job as it is now; null when it has been removed.',
    resolve: async (event, _args, context) => (await context.lookups.jobOf(event)) ?? null,
  }),
);

const EventGapRef = builder.objectRef<{ oldest: Position }>('EventGap').implement({
  description:
    'Events that should have come here were removed before they could be told. What is left of them follows.',
  fields: (t) => ({
    message: t.string({
      description: 'What is missing, and what to do, for a person.',
      resolve: () =>
        'Events after the given cursor have been removed, because they were too old. ' +
        'The oldest that are left follow; for what a job has come to, look at the job.',
    }),
    oldestCursor: t.field({
      type: 'Cursor',
      description: 'Where the feed begins now: all that is left comes after it.',
      resolve: (gap) => cursorOf(gap.oldest),
    }),
  }),
});

const JobEventOrGapRef = builder.unionType('JobEventOrGap', {
  description: 'What a feed of events tells: an event, or that some are missing.',
  types: [JobEventRef, EventGapRef],
  resolveType: (told: JobEvent | { oldest: Position }) => ('oldest' in told ? EventGapRef : JobEventRef),
});

builder.queryField('feedCursor', (t) =>
  t.field({
    type: 'Cursor',
    description:
      'Where the feed of the account’s events stands. Asked for before anything is begun, it is where jobEvents can be followed ' +
      'from without missing any of it.',
    resolve: async (_root, _args, { core, viewer }) => {
      demand(viewer, 'read');
      return cursorOf(await feedHead(core));
    },
  }),
);

builder.subscriptionField('jobEvents', (t) =>
  t.field({
    ...shared,
    type: JobEventOrGapRef,
    description:
      'What happens to the account’s jobs: every event once, and of each job in the order of its seq. It can be resumed after any ' +
      'event, on another server and much later. The admin’s are everybody’s.',
    args: {
      filter: t.arg({
        type: JobFilterInput,
        description:
          'Events of which jobs; of all without it. It is asked of the job as it is when the event is told, so the status is that ' +
          'which the job then has. Once it has been removed, its id and container group are known, and of PURGED also its status, machine ' +
          'and labels: what else the filter asks for is then not fulfilled.',
      }),
      after: t.arg({
        type: 'Cursor',
        description:
          'Only what comes after this event. Without it, from now on; events that were being written in that moment may be among ' +
          'the first.',
      }),
    },
    subscribe: async (_root, { filter, after }, { accountFeed, viewer }) => {
      const wish = { after: after == null ? undefined : positionOf('after', after), filter: jobFilter(filter) };
      const { steps } = await accountFeed.follow(viewer, wish);
      return withoutPassed(steps);
    },
    resolve: (step) => (step.type === 'EVENT' ? step.event : { oldest: step.oldest }),
  }),
);

/** Not a generator, which could not be ended while it waits for the next step. */
function withoutPassed(steps: AsyncGenerator<FeedStep, void, undefined>): AsyncIterableIterator<Told, undefined> {
  return {
    async next() {
      for (;;) {
        const step = await steps.next();
        if (step.done === true) return { done: true, value: undefined };
        if (step.value.type !== 'PASSED') return { done: false, value: step.value };
      }
    },
    async return() {
      await steps.return();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
