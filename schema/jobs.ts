import { z } from 'zod';
import { NotFoundError } from '../core/errors.ts';
import { parseInput } from '../core/input.ts';
import { containerGroupId, jobFields, machineId } from '../core/jobs/fields.ts';
import { numberOfCursor } from '../core/number-cursor.ts';
import { searchText } from '../core/jobs/search.ts';
import { countJobs, findJob, listJobs, type JobFilter } from '../core/jobs/find.ts';
import type { Job } from '../db/entities/job.ts';
import { listOf } from '../lib/few-faults.ts';
import { builder } from './builder.ts';
import { JobRef, JobStatusRef } from './job.ts';
import { connection } from './paging.ts';

const JobOrderRef = builder.enumType('JobOrder', {
  description: 'How a list of jobs is ordered.',
  values: {
    NEWEST_FIRST: { description: 'Last submitted, first.' },
    OLDEST_FIRST: { description: 'First submitted, first.' },
  } as const,
});

export const JobFilterInput = builder.inputType('JobFilter', {
  description: 'Which jobs: every part that is given must hold.',
  fields: (t) => ({
    status: t.field({ type: [JobStatusRef], description: 'Any of these.' }),
    containerGroupId: t.string({ description: 'In this container group.' }),
    labels: t.field({ type: 'JSONObject', description: 'With each of these labels, having this value.' }),
    machineId: t.string({ description: 'Held, or last held, by this machine.' }),
    ids: t.idList({ description: 'Any of these, at most 100.' }),
    search: t.string({
      description:
        'With each of these words, at most 10, in its name, command, the first 8,192 characters of its arguments, its machine or id, in ' +
        'capitals or not (other letters than a to z: as the database’s locale knows them). At most 200 characters. Few searches run at once, ' +
        'of one account one, each for 3 seconds at most: the rest of the filter makes them quicker.',
    }),
  }),
});

builder.queryField('job', (t) =>
  t.field({
    type: JobRef,
    nullable: true,
    description: 'One job, or null when the account has none of this id.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    resolve: (_root, { id }, { core, viewer }) =>
      findJob(core, viewer, id).catch((error: unknown) => {
        if (error instanceof NotFoundError) return null;
        throw error;
      }),
  }),
);

builder.queryField('jobs', (t) =>
  t.connection(
    {
      type: JobRef,
      description: 'The account’s jobs. The admin’s are everybody’s.',
      args: {
        filter: t.arg({ type: JobFilterInput, description: 'Which ones; all without it.' }),
        orderBy: t.arg({ type: JobOrderRef, defaultValue: 'NEWEST_FIRST', description: 'In which order.' }),
      },
      resolve: async (_root, args, { core, viewer, gone }) => {
        const filter = jobFilter(args.filter);
        const oldestFirst = args.orderBy === 'OLDEST_FIRST';
        let more: { hasNextPage?: true; hasPreviousPage?: true } = {};
        const page = await connection<Job>(
          args,
          (job) => job.position,
          async ({ before, after, limit, inverted }) => {
            const [newer, older] = oldestFirst ? [before, after] : [after, before];
            const slice = {
              limit,
              ascending: oldestFirst !== inverted,
              below: numberOfCursor(oldestFirst ? 'before' : 'after', newer),
              above: numberOfCursor(oldestFirst ? 'after' : 'before', older),
            };
            const { jobs, isCut } = await listJobs(core, viewer, filter, slice, gone());
            if (isCut) more = inverted ? { hasPreviousPage: true } : { hasNextPage: true };
            return jobs;
          },
        );
        return {
          ...page,
          pageInfo: { ...page.pageInfo, ...more },
          totalCount: () => countJobs(core, viewer, filter, gone()),
        };
      },
    },
    {
      name: 'JobConnection',
      description: 'A part of a list of jobs.',
      fields: (c) => ({
        totalCount: c.field({
          type: 'Int',
          description:
            'How many there are in all, this page or not. Of a search at most 10,001, which stands for more than 10,000.',
          resolve: (page) => page.totalCount(),
        }),
      }),
    },
    { name: 'JobEdge', description: 'A job in a list.' },
  ),
);

const filterTexts = z.object({
  filter: z.object({
    containerGroupId: containerGroupId.nullish().transform((id) => id ?? undefined),
    machineId: machineId.nullish().transform((id) => id ?? undefined),
    labels: jobFields.labels.nullish().transform((labels) => labels ?? undefined),
    ids: listOf(z.string().max(100))
      .max(100)
      .nullish()
      .transform((ids) => ids ?? undefined),
    search: searchText.nullish().transform((words) => words ?? undefined),
  }),
});

/** @throws InvalidInputError */
export function jobFilter(filter: typeof JobFilterInput.$inferInput | null | undefined): JobFilter {
  return { ...parseInput(filterTexts, { filter: filter ?? {} }).filter, status: filter?.status ?? undefined };
}
