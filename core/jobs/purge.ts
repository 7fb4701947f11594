import { jobStatuses } from '../../db/entities/job.ts';
import { statement } from '../../db/statement.ts';
import { recordAudit } from '../accounts/audit.ts';
import { demand, demandAdmin, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { accountsWithin, inBatches, type LockedJob } from './batches.ts';
import { cancelLocked } from './cancel.ts';

const removeStatement = statement<{ ids: readonly string[] }, never>('remove-jobs');

/** What became of the jobs of a purged queue. */
export interface Purged {
  removed: number;
  canceled: number;
}

/**
 * Empties a container group's queue: pending jobs are removed, as if they had never been, but for their events; running ones
 * are canceled. No webhook tells of it: whoever purged knows.
 */
export async function purgeJobs(core: Core, viewer: Viewer, containerGroupId: string): Promise<Purged> {
  demand(viewer, 'manage');
  const purged: Purged = { removed: 0, canceled: 0 };
  for (const accountId of await accountsWithin(core, viewer)) {
    await inBatches(
      core,
      accountId,
      { containerGroupId, status: ['PENDING', 'RUNNING'] },
      async (em, jobs, onceCommitted) => {
        const pending = idsIn(jobs, 'PENDING');
        const running = idsIn(jobs, 'RUNNING');
        await removeStatement(em, { ids: pending });
        await cancelLocked(core, em, running, onceCommitted);
        purged.removed += pending.length;
        purged.canceled += running.length;
      },
    );
  }
  const { accountId, keyId } = viewer;
  const count = purged.removed + purged.canceled;
  // Last, because how many there were is known then; each batch was a transaction of its own.
  const entry = { accountId, keyId, action: 'JOBS_PURGED', data: { containerGroupId, count } } as const;
  await transact(core, (em) => recordAudit(em, entry));
  return purged;
}

/**
 * Removes every job of every account, and cancels first what runs, so that agents stop. For the admin.
 * @returns how many there were
 */
export async function clearJobs(core: Core, viewer: Viewer): Promise<number> {
  demandAdmin(viewer);
  let cleared = 0;
  for (const accountId of await accountsWithin(core, viewer)) cleared += await clearJobsOf(core, accountId);
  const { accountId, keyId } = viewer;
  const entry = { accountId, keyId, action: 'JOBS_CLEARED', data: { count: cleared } } as const;
  await transact(core, (em) => recordAudit(em, entry));
  return cleared;
}

/** The same for the jobs of one account; who may ask for it is the caller's to know. */
export async function clearJobsOf(core: Core, accountId: string): Promise<number> {
  let cleared = 0;
  await inBatches(core, accountId, { status: jobStatuses }, async (em, jobs, onceCommitted) => {
    await cancelLocked(core, em, idsIn(jobs, 'RUNNING'), onceCommitted);
    await removeStatement(em, { ids: jobs.map(({ id }) => id) });
    cleared += jobs.length;
  });
  return cleared;
}

function idsIn(jobs: readonly LockedJob[], status: LockedJob['status']): string[] {
  return jobs.filter((job) => job.status === status).map(({ id }) => id);
}
