import { Ban } from '../../db/entities/ban.ts';
import type { Job } from '../../db/entities/job.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { publish } from '../events/publish.ts';
import { lockJob } from './find.ts';

/** A machine that is banned from so many jobs is to be reallocated, and gets nothing more (rule 5). */
export const BANS_TO_REALLOCATE = 5;

/** The machines that do not get these jobs again, first banned first. */
export async function listBans(core: Core, jobIds: readonly string[]): Promise<Ban[]> {
  return core.em.fork().find(Ban, { jobId: { $in: [...jobIds] } }, { orderBy: { createdAt: 'asc' } });
}

/**
 * Lets a machine have a job again. Lifting what is not there is fine.
 * @throws NotFoundError when the account has no such job
 */
export async function liftBan(core: Core, viewer: Viewer, jobId: string, machineId: string): Promise<Job> {
  demand(viewer, 'submit');
  return transact(core, async (em) => {
    const job = await lockJob(em, viewer, jobId);
    const lifted = await em.nativeDelete(Ban, { jobId: job.id, machineId });
    if (job.bannedMachineId === machineId) job.bannedMachineId = null;
    if (lifted > 0) publish(em, job, 'BAN_LIFTED', { data: { machineId, status: job.status } });
    return job;
  });
}
