import { Attempt } from '../../db/entities/attempt.ts';
import { Job } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { LeaseRef } from './terms.ts';

/** For a person who reads an agent's log: why the attempt has lost its job. Decides nothing. */
export async function whyLost(em: EntityManager, viewer: Viewer, lease: LeaseRef): Promise<string> {
  const job = await em.findOne(Job, { id: lease.jobId, accountId: viewer.accountId });
  if (!job) return `There is no job ${lease.jobId} in this account`;
  if (job.attemptNumber !== lease.attempt) {
    return `Attempt ${lease.attempt} of job ${job.id} was followed by attempt ${job.attemptNumber}`;
  }
  const attempt = await em.findOne(Attempt, { jobId: job.id, number: lease.attempt });
  const outcome = attempt?.outcome ?? 'none';
  return `Attempt ${lease.attempt} of job ${job.id} has ended (${outcome}), the job is ${job.status}`;
}
