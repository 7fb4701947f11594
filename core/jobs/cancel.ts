import type { Job, JobStatus } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { transact, type Core, type OnceCommitted } from '../core.ts';
import { ConflictError } from '../errors.ts';
import { accountsWithin, inBatches } from './batches.ts';
import { type CanceledRow, tellCanceled } from './canceled.ts';
import { lockJob, type JobFilter } from './find.ts';
import { mayFollow } from './states.ts';

const cancelStatement = statement<{ ids: readonly string[]; reason: string }, CanceledRow>('cancel-jobs');

const CANCELABLE = ['PENDING', 'RUNNING'] as const satisfies JobStatus[];

/**
 * Cancels a pending or a running job; its attempt is fenced off in the same transaction, and its agent is told by a signal.
 * Cancelling twice is fine. A cancel that commits before a completion wins; otherwise the completion wins (rule 8).
 * @throws NotFoundError
 * @throws ConflictError when the job has completed or failed
 */
export async function cancelJob(core: Core, viewer: Viewer, id: string): Promise<Job> {
  demand(viewer, 'submit');
  return transact(core, async (em, onceCommitted) => {
    const job = await lockJob(em, viewer, id);
    if (job.status === 'CANCELED') return job;
    if (!mayFollow('cancel', job.status)) {
      throw new ConflictError(
        `Job ${job.id} has ${job.status.toLowerCase()} already: what has ended cannot be canceled`,
      );
    }
    await cancelLocked(core, em, [job.id], onceCommitted);
    await em.refresh(job);
    return job;
  });
}

/**
 * Cancels every pending and running job that a filter names, and that was submitted before now.
 * @returns how many
 */
export async function cancelJobs(core: Core, viewer: Viewer, filter: JobFilter): Promise<number> {
  demand(viewer, 'submit');
  const status = CANCELABLE.filter((one) => filter.status === undefined || filter.status.includes(one));
  let canceled = 0;
  for (const accountId of await accountsWithin(core, viewer)) {
    await inBatches(core, accountId, { ...filter, status }, async (em, jobs, onceCommitted) => {
      await cancelLocked(core, em, idsOf(jobs), onceCommitted);
      canceled += jobs.length;
    });
  }
  return canceled;
}

/** Everything that a cancel implies, for pending and running jobs whose rows the caller holds. */
export async function cancelLocked(
  core: Core,
  em: EntityManager,
  ids: readonly string[],
  onceCommitted: OnceCommitted,
): Promise<void> {
  const reason = 'Canceled by a person or a program with a key of the account';
  const canceled = await cancelStatement(em, { ids, reason });
  onceCommitted(() => canceled.forEach((row) => tellCanceled(core.traces, row, reason)));
}

function idsOf(jobs: readonly { id: string }[]): string[] {
  return jobs.map(({ id }) => id);
}
