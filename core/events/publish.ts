import { JobEvent, type JobEventType } from '../../db/entities/job-event.ts';
import type { Job } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';

/**
 * Appends one fact about a job, in the transaction that makes it true (rule 11). The caller holds the job's row, so `seq` has
 * no gaps and no twins (rule 12).
 */
export function publish(
  em: EntityManager,
  job: Job,
  type: JobEventType,
  fact: { attempt?: number; data?: Record<string, unknown> } = {},
): void {
  job.eventSeq += 1;
  em.create(JobEvent, {
    jobId: job.id,
    seq: job.eventSeq,
    accountId: job.accountId,
    containerGroupId: job.containerGroupId,
    type,
    attempt: fact.attempt ?? null,
    data: fact.data ?? {},
  });
}
