import { z } from 'zod';
import { ConflictError, ForbiddenError, InvalidInputError } from '../core/errors.ts';
import { longInputOf } from '../core/input.ts';
import { jobSpecSchema, jobSpecsSchema } from '../core/jobs/spec.ts';
import { submitJob, submitJobs } from '../core/jobs/submit.ts';
import type { Job } from '../db/entities/job.ts';
import { builder } from './builder.ts';
import { JobRef } from './job.ts';
import { LegacySyncInput, SyncInput } from './sync.ts';

const SubmitJobInput = builder.inputType('SubmitJobInput', {
  description: 'A job to be run. Only the command and the container group are needed.',
  fields: (t) => ({
    name: t.string({ description: 'What you call it.' }),
    command: t.string({ required: true, description: 'The program, found by PATH or named by its path.' }),
    arguments: t.stringList({ description: 'Its arguments; no shell comes in between.' }),
    environment: t.field({ type: 'JSONObject', description: 'Its variables, names to texts.' }),
    containerGroupId: t.string({ required: true, description: 'The queue: which machines may run it.' }),
    sync: t.field({ type: SyncInput, description: 'What is carried between storage and machine.' }),
    legacySync: t.field({ type: LegacySyncInput, description: 'The older form of sync, instead of it.' }),
    compression: t.boolean({ description: 'Whether files are stored compressed with gzip (false).' }),
    webhook: t.field({ type: 'URL', description: 'Where its outcome is told.' }),
    priority: t.int({ description: '-100 to 100, higher first (0).' }),
    labels: t.field({ type: 'JSONObject', description: 'Names and texts of your choice, at most 64.' }),
    maxFailures: t.int({ description: 'So many failures of the command make the job FAILED (3).' }),
    maxInterruptions: t.int({ description: 'More interruptions than this make the job FAILED (unlimited).' }),
    timeoutSeconds: t.int({ description: 'How long one attempt’s command may take, in seconds (unlimited).' }),
    stallTimeoutSeconds: t.int({
      description: 'How long a command may go without progress, output or checkpoint, in seconds (unlimited).',
    }),
    heartbeatInterval: t.int({ description: 'Seconds between heartbeats; a lease lasts twice as long (30).' }),
    idempotencyKey: t.string({ description: 'The same key with the same job returns the job that was stored first.' }),
  }),
});

const SubmittedJobs = builder.objectRef<{ jobs: Job[] }>('SubmittedJobs').implement({
  description: 'A batch that was stored.',
  fields: (t) => ({ jobs: t.expose('jobs', { type: [JobRef], description: 'In the order of the input.' }) }),
});

const failures = { types: [InvalidInputError, ConflictError, ForbiddenError] };
const oneInput = z.object({ input: jobSpecSchema });
const batchInput = z.object({ input: jobSpecsSchema });

builder.mutationField('submitJob', (t) =>
  t.field({
    type: JobRef,
    errors: failures,
    description: 'Stores a job. It is claimed as soon as a machine of its group is free.',
    args: { input: t.arg({ type: SubmitJobInput, required: true, description: 'The job.' }) },
    resolve: async (_root, args, { core, viewer }) => {
      const { input } = await longInputOf(viewer, 'submit', oneInput, args);
      return submitJob(core, viewer, input);
    },
  }),
);

builder.mutationField('submitJobs', (t) =>
  t.field({
    type: SubmittedJobs,
    errors: failures,
    description: 'Stores 1 to 1,000 jobs in one transaction: all or none.',
    args: { input: t.arg({ type: [SubmitJobInput], required: true, description: 'The jobs.' }) },
    resolve: async (_root, args, { core, viewer }) => {
      const { input } = await longInputOf(viewer, 'submit', batchInput, args);
      return { jobs: await submitJobs(core, viewer, input) };
    },
  }),
);
