import type { InputFieldBuilder } from '@pothos/core';
import { z } from 'zod';
import { ForbiddenError, InvalidInputError, LeaseLostError } from '../core/errors.ts';
import { text } from '../core/jobs/fields.ts';
import { MAX_KEYS } from '../core/leases/checkpoint.ts';
import { listOf } from '../lib/few-faults.ts';
import { builder } from './builder.ts';

/** What every verb under a lease carries, and what may go wrong with it. */

type InputFields = InputFieldBuilder<typeof builder.$inferSchemaTypes, 'InputObject'>;

export const leaseInputs = (t: InputFields) => ({
  jobId: t.id({ required: true, description: 'The job.' }),
  attempt: t.int({ required: true, description: 'The attempt that holds it.' }),
});

const CheckpointsInput = builder.inputType('CheckpointsInput', {
  description:
    'What has been published while the command ran, in this attempt so far. Safe to send twice: totals only grow.',
  fields: (t) => ({
    files: t.int({
      required: true,
      description: 'How many publications; a file that is published twice counts twice.',
    }),
    bytes: t.field({ type: 'BigInt', required: true, description: 'Their bytes over the wire.' }),
    newestKeys: t.stringList({
      required: true,
      description: `The keys of the newest ones, in the order of their publication, at most ${MAX_KEYS}.`,
    }),
  }),
});

/** Totals of the attempt, for each of its verbs. */
export const transferredInputs = (t: InputFields) => ({
  bytesDownloaded: t.field({ type: 'BigInt', description: 'Bytes brought from storage in this attempt.' }),
  bytesUploaded: t.field({ type: 'BigInt', description: 'Bytes carried to storage in this attempt.' }),
  filesDownloaded: t.int({ description: 'Files brought from storage in this attempt.' }),
  filesUploaded: t.int({ description: 'Files carried to storage in this attempt.' }),
  checkpoints: t.field({ type: CheckpointsInput, description: 'What it has published while its command ran.' }),
});

const LARGEST_INT = 2_147_483_647;
const LONGEST_KEY = 1_024;

/** A number of files. */
export const count = z.int().min(0).max(LARGEST_INT);
const bytes = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);
const files = count.nullish().transform((value) => value ?? undefined);

export const leaseFields = { jobId: z.uuid({ error: 'Expected a job’s id, a UUID' }), attempt: z.int().min(1) };
export const transferredFields = {
  bytesDownloaded: bytes,
  bytesUploaded: bytes,
  filesDownloaded: files,
  filesUploaded: files,
  checkpoints: z
    .strictObject({
      files: count,
      bytes: z.string(),
      newestKeys: listOf(text({ max: LONGEST_KEY })).max(MAX_KEYS, { error: `Expected at most ${MAX_KEYS} keys` }),
    })
    .nullish()
    .transform((checkpoints) => checkpoints ?? undefined),
};

export const leaseFailures = { types: [LeaseLostError, InvalidInputError, ForbiddenError] };
