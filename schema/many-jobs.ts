import { z } from 'zod';
import { demand } from '../core/accounts/keys.ts';
import { ForbiddenError, InvalidInputError } from '../core/errors.ts';
import { inputOf } from '../core/input.ts';
import { cancelJobs } from '../core/jobs/cancel.ts';
import { containerGroupId } from '../core/jobs/fields.ts';
import { purgeJobs, type Purged } from '../core/jobs/purge.ts';
import { builder } from './builder.ts';
import { jobFilter, JobFilterInput } from './jobs.ts';

const failures = { types: [InvalidInputError, ForbiddenError] };

const CanceledJobsRef = builder.objectRef<{ count: number }>('CanceledJobs').implement({
  description: 'What became of the jobs of a filter.',
  fields: (t) => ({ count: t.exposeInt('count', { description: 'How many were canceled.' }) }),
});

const PurgedJobsRef = builder.objectRef<Purged>('PurgedJobs').implement({
  description: 'What became of a queue.',
  fields: (t) => ({
    removed: t.exposeInt('removed', { description: 'How many pending jobs were removed.' }),
    canceled: t.exposeInt('canceled', { description: 'How many running jobs were canceled.' }),
  }),
});

builder.mutationField('cancelJobs', (t) =>
  t.field({
    type: CanceledJobsRef,
    errors: failures,
    description: 'Cancels every pending and running job of a filter, some hundred in one transaction.',
    args: { filter: t.arg({ type: JobFilterInput, required: true, description: 'Which ones.' }) },
    resolve: async (_root, { filter }, { core, viewer }) => {
      demand(viewer, 'submit');
      demandMeant(filter);
      return { count: await cancelJobs(core, viewer, jobFilter(filter)) };
    },
  }),
);

/**
 * A variable that was to hold ids or words, and holds nothing, must not cancel all jobs of an account.
 * @throws InvalidInputError
 */
function demandMeant({ ids, search }: typeof JobFilterInput.$inferInput): void {
  if (ids === null) throw meaningless('ids', 'ids, got null');
  if (search !== undefined && (search ?? '').trim() === '') throw meaningless('search', 'words, got none');
}

function meaningless(field: string, expected: string): InvalidInputError {
  const message = `Expected ${expected}: leave the field out to cancel whatever the rest of the filter names`;
  return new InvalidInputError([{ path: ['filter', field], message }]);
}

const purgeArguments = z.object({ containerGroupId });

builder.mutationField('purgeJobs', (t) =>
  t.field({
    type: PurgedJobsRef,
    errors: failures,
    description:
      'Empties a container group’s queue: pending jobs are removed, running ones canceled. Of a job that is removed its events stay ' +
      'until they are too old, and the last of them has its labels.',
    args: { containerGroupId: t.arg.string({ required: true, description: 'The container group.' }) },
    resolve: (_root, args, { core, viewer }) =>
      purgeJobs(core, viewer, inputOf(viewer, 'manage', purgeArguments, args).containerGroupId),
  }),
);
