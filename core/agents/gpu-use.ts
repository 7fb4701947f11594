import { z } from 'zod';
import type { GpuUse } from '../../db/entities/agent.ts';
import { statement } from '../../db/statement.ts';
import { listOf } from '../../lib/few-faults.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import type { LeaseRef } from '../leases/terms.ts';

const storeStatement = statement<
  {
    account_id: string;
    job_id: string;
    attempt: number;
    gpu_use: string;
    age_seconds: number;
    at_most_every_seconds: number;
  },
  { id: string }
>('store-gpu-use');

/** An agent samples every ten seconds; one that tells more is not written down. */
const WRITTEN_AT_MOST_EVERY_SECONDS = 5;
const DAY_MILLIS = 86_400_000;

const oneGpu = z.strictObject({
  index: z.int().min(0).max(1_000),
  utilization: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .transform((value) => value ?? null),
  memoryUsedBytes: z
    .number()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .nullish()
    .transform((value) => value ?? null),
});

/** How busy an agent's GPUs were, so many milliseconds before it said so. */
export const gpuSampleSchema = z.strictObject({
  ageMillis: z.number().min(0).max(DAY_MILLIS),
  gpus: listOf(oneGpu).min(1).max(64, { error: 'Expected at most 64 GPUs' }),
});

export interface GpuSample {
  ageMillis: number;
  gpus: GpuUse[];
}

/** Keeps the newest sample with the agent that holds the lease. Too soon after another, or with the lease lost, it is dropped. */
export async function storeGpuUse(core: Core, viewer: Viewer, lease: LeaseRef, sample: GpuSample): Promise<void> {
  await storeStatement(core.em.fork(), {
    account_id: viewer.accountId,
    job_id: lease.jobId,
    attempt: lease.attempt,
    gpu_use: JSON.stringify(sample.gpus),
    age_seconds: sample.ageMillis / 1_000,
    at_most_every_seconds: WRITTEN_AT_MOST_EVERY_SECONDS,
  });
}
