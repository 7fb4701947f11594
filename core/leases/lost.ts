import { Attempt } from '../../db/entities/attempt.ts';
import { Job } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import type { Viewer } from '../accounts/keys.ts';
import { LeaseLostError } from '../errors.ts';
import type { LeaseRef } from './terms.ts';

/** Why the attempt has lost its job: in words for a person who reads an agent's log, and whether a cancel was it. */
export async function leaseLost(em: EntityManager, viewer: Viewer, lease: LeaseRef): Promise<LeaseLostError> {
  const job = await em.findOne(Job, { id: lease.jobId, accountId: viewer.accountId });
  if (!job) return new LeaseLostError(`There is no job ${lease.jobId} in this account`, false);
  if (job.attemptNumber !== lease.attempt) {
    const next = `was followed by attempt ${job.attemptNumber}`;
    return new LeaseLostError(`Attempt ${lease.attempt} of job ${job.id} ${next}`, false);
  }
  const attempt = await em.findOne(Attempt, { jobId: job.id, number: lease.attempt });
  const outcome = attempt?.outcome ?? 'none';
  const ended = `has ended (${outcome}), the job is ${job.status}`;
  return new LeaseLostError(`Attempt ${lease.attempt} of job ${job.id} ${ended}`, outcome === 'CANCELED');
}
