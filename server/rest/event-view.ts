import { z } from '@hono/zod-openapi';
import { cursorOf } from '../../core/events/position.ts';
import type { listJobEvents } from '../../core/jobs/find.ts';
import { jobWords, said } from './field-words.ts';

export type JobEvent = Awaited<ReturnType<typeof listJobEvents>>[number];

const fields = {
  seq: z.int().openapi({ description: '1, 2, 3 … within the job, without gaps' }),
  cursor: z
    .string()
    .openapi({ description: 'Its place among all events of the account; it means nothing to a client' }),
  type: z.string().openapi({ description: 'As in the GraphQL API’s JobEventType', example: 'ATTEMPT_ENDED' }),
  at: z.iso.datetime().openapi({ example: '2026-01-01T12:00:00.000Z', description: 'When it became true' }),
  attempt: said(z.int().nullable(), 'Number of the attempt that it is about; null where it is about none'),
  data: z.record(z.string(), z.unknown()).openapi({ description: 'The rest of the fact' }),
};

/** An event among those of its job. */
export const jobEventView = z.object(fields).openapi('JobEvent');

/** An event among those of the account. */
export const eventView = z
  .object({
    job_id: said(z.uuid(), 'The job'),
    container_group_id: said(z.string(), jobWords.containerGroupId),
    ...fields,
  })
  .openapi('Event');

export function viewOfJobEvent(event: JobEvent): z.infer<typeof jobEventView> {
  const { seq, type, attempt, data } = event;
  return { seq, cursor: cursorOf(event), type, at: event.at.toISOString(), attempt, data };
}

export function viewOfEvent(event: JobEvent): z.infer<typeof eventView> {
  return { job_id: event.jobId, container_group_id: event.containerGroupId, ...viewOfJobEvent(event) };
}
