import { z } from 'zod';
import { ConflictError, ForbiddenError, InvalidInputError, NotFoundError } from '../core/errors.ts';
import { inputOf } from '../core/input.ts';
import { liftBan } from '../core/jobs/bans.ts';
import { cancelJob } from '../core/jobs/cancel.ts';
import { machineId } from '../core/jobs/fields.ts';
import { retryJob } from '../core/jobs/retry.ts';
import type { Job } from '../db/entities/job.ts';
import { builder } from './builder.ts';
import { JobRef } from './job.ts';
import { shared } from './shared.ts';

const failures = { types: [NotFoundError, ConflictError, ForbiddenError] };
const idArgument = { description: 'The job’s id.', required: true } as const;

builder.mutationField('cancelJob', (t) =>
  t.field({
    type: JobRef,
    errors: failures,
    description:
      'Cancels a pending or running job. Cancelling twice is fine; what has completed or failed is a conflict.',
    args: { id: t.arg.id(idArgument) },
    resolve: (_root, { id }, { core, viewer }) => cancelJob(core, viewer, id),
  }),
);

builder.mutationField('retryJob', (t) =>
  t.field({
    type: JobRef,
    errors: failures,
    description: 'Makes a failed or canceled job pending again, with its whole budget.',
    args: { id: t.arg.id(idArgument) },
    resolve: (_root, { id }, { core, viewer }) => retryJob(core, viewer, id),
  }),
);

const bannedMachine = z.object({ machineId });

builder.mutationField('liftBan', (t) =>
  t.field({
    type: JobRef,
    errors: { types: [InvalidInputError, NotFoundError, ForbiddenError] },
    description: 'Lets a machine have a job again. Lifting what is not there is fine.',
    args: {
      jobId: t.arg.id(idArgument),
      machineId: t.arg.string({ required: true, description: 'The machine that is banned.' }),
    },
    resolve: (_root, args, { core, viewer }) =>
      liftBan(core, viewer, args.jobId, inputOf(viewer, 'submit', bannedMachine, args).machineId),
  }),
);

builder.subscriptionField('jobUpdated', (t) =>
  t.field({
    ...shared,
    type: JobRef,
    description: 'The job as it is, then as it is after every change, coalesced to the latest.',
    args: { id: t.arg.id(idArgument) },
    subscribe: (_root, { id }, { watchers, viewer }) => untilGone(watchers.watch(viewer, id)),
    resolve: (job) => job,
  }),
);

/** A job that is removed while it is watched is no fault: there is nothing more to tell. Not a generator, as for events. */
function untilGone(states: AsyncGenerator<Job, void, undefined>): AsyncIterableIterator<Job, undefined> {
  let isKnown = false;
  return {
    async next() {
      try {
        const step = await states.next();
        isKnown = true;
        return step.done === true ? { done: true, value: undefined } : { done: false, value: step.value };
      } catch (error) {
        if (error instanceof NotFoundError && isKnown) return { done: true, value: undefined };
        throw error;
      }
    },
    async return() {
      await states.return();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
