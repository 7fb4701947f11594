import type { Attempt } from '../../db/entities/attempt.ts';
import type { Job } from '../../db/entities/job.ts';

/**
 * What a person is told of a job's status: why it waits (`waiting`), what hinders the attempt that holds it, or why it ended.
 */
export function statusReason(
  job: Pick<Job, 'status' | 'statusReason'>,
  beside: { waiting?: string | undefined; attempt?: Pick<Attempt, 'outcome' | 'warning'> | undefined },
): string | null {
  const { waiting, attempt } = beside;
  if (waiting !== undefined) return waiting;
  const isHindered = job.status === 'RUNNING' && attempt?.outcome === null;
  return (isHindered ? attempt.warning : null) ?? job.statusReason;
}
