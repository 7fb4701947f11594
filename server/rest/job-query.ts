import { z } from '@hono/zod-openapi';
import { containerGroupId } from '../../core/jobs/fields.ts';
import type { JobFilter, JobSlice } from '../../core/jobs/find.ts';
import { wholeNumber, wholeNumberOr } from './whole-number.ts';

const statuses = {
  pending: 'PENDING',
  running: 'RUNNING',
  completed: 'COMPLETED',
  canceled: 'CANCELED',
  failed: 'FAILED',
} as const satisfies Record<string, NonNullable<JobFilter['status']>[number]>;

/** A status in REST's words, as the core's. */
export const jobStatus = z
  .enum(['pending', 'running', 'completed', 'canceled', 'failed'])
  .transform((status) => statuses[status]);

/** The parameters of `GET /jobs`, as the core takes them. Pages are counted from 1; newest first unless `asc`. */
export const jobQuery = z
  .object({
    status: jobStatus.optional(),
    container_group_id: containerGroupId.optional(),
    page_size: wholeNumberOr(100, 1_000),
    page: wholeNumber(1_000_000_000).openapi({
      default: 1,
      param: { required: false },
      description: 'Counted from 1. Of a list that grows meanwhile, `after` gives each job once',
    }),
    after: z
      .string()
      .optional()
      .openapi({ description: 'Only what comes after this place, the `next` of another page. Instead of `page`' }),
    asc: z
      .stringbool({ truthy: ['true', '1'], falsy: ['false', '0'], error: 'Expected true or false' })
      .optional()
      .openapi({ type: 'boolean', default: false, description: 'Oldest first' }),
  })
  .refine(({ page, after }) => page === undefined || after === undefined, {
    path: ['after'],
    error: 'Expected after or page, got both: leave page out',
  })
  .transform((query): { filter: JobFilter; slice: JobSlice; after: string | undefined } => ({
    after: query.after,
    filter: {
      status: query.status && [query.status],
      containerGroupId: query.container_group_id,
    },
    slice: {
      limit: query.page_size,
      offset: ((query.page ?? 1) - 1) * query.page_size,
      ascending: query.asc ?? false,
    },
  }));
