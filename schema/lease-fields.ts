import { z } from 'zod';
import { ForbiddenError, InvalidInputError, LeaseLostError } from '../core/errors.ts';

/** What every verb under a lease carries, and what may go wrong with it. */

export const jobIdDescription = { required: true, description: 'The job.' } as const;
export const attemptDescription = { required: true, description: 'The attempt that holds it.' } as const;
export const downloaded = { type: 'BigInt', description: 'Bytes brought from storage in this attempt.' } as const;
export const uploaded = { type: 'BigInt', description: 'Bytes carried to storage in this attempt.' } as const;

const bytes = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);
export const leaseFields = { jobId: z.uuid({ error: 'Expected a job’s id, a UUID' }), attempt: z.int().min(1) };
export const byteFields = { bytesDownloaded: bytes, bytesUploaded: bytes };

export const leaseFailures = { types: [LeaseLostError, InvalidInputError, ForbiddenError] };
