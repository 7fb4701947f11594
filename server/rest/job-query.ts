import { z } from '@hono/zod-openapi';
import { containerGroupId } from '../../core/jobs/fields.ts';
import type { JobFilter, JobSlice } from '../../core/jobs/find.ts';

/** The parameters of `GET /jobs`, as the core takes them. Pages are counted from 1; newest first unless `asc`. */
export const jobQuery = z
  .object({
    status: z.enum(['pending', 'running', 'completed', 'canceled', 'failed']).optional(),
    container_group_id: containerGroupId.optional(),
    page_size: wholeNumber({ max: 1_000, preset: 100 }),
    page: wholeNumber({ max: 1_000_000_000, preset: 1 }),
    asc: z
      .stringbool({ truthy: ['true', '1'], falsy: ['false', '0'], error: 'Expected true or false' })
      .optional()
      .openapi({ type: 'boolean', default: false, description: 'Oldest first' }),
  })
  .transform((query): { filter: JobFilter; slice: JobSlice } => ({
    filter: {
      status: query.status && [statuses[query.status]],
      containerGroupId: query.container_group_id,
    },
    slice: {
      limit: query.page_size,
      offset: (query.page - 1) * query.page_size,
      ascending: query.asc ?? false,
    },
  }));

const statuses = {
  pending: 'PENDING',
  running: 'RUNNING',
  completed: 'COMPLETED',
  canceled: 'CANCELED',
  failed: 'FAILED',
} as const satisfies Record<string, NonNullable<JobFilter['status']>[number]>;

/** Digits only: not the empty text, `1e3` or `0x10`, which JavaScript takes for numbers too. */
function wholeNumber({ max, preset }: { max: number; preset: number }) {
  const error = `Expected a whole number from 1 to ${max}`;
  return z
    .string({ error })
    .regex(/^\d{1,15}$/, { error })
    .transform(Number)
    .pipe(z.int().min(1, { error }).max(max, { error }))
    .optional()
    .transform((value) => value ?? preset)
    .openapi({ type: 'integer', minimum: 1, maximum: max, default: preset, param: { required: false } });
}
