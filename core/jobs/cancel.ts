import { LockMode } from '@mikro-orm/core';
import { Attempt } from '../../db/entities/attempt.ts';
import type { Job } from '../../db/entities/job.ts';
import { databaseNow, type EntityManager } from '../../db/orm.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { ConflictError } from '../errors.ts';
import { publish } from '../events/publish.ts';
import { lockJob } from './find.ts';
import { mayFollow } from './states.ts';

/**
 * Cancels a pending or a running job; its attempt is fenced off in the same transaction, and its agent is told by a signal.
 * Cancelling twice is fine. A cancel that commits before a completion wins; otherwise the completion wins (rule 8).
 * @throws NotFoundError
 * @throws ConflictError when the job has completed or failed
 */
export async function cancelJob(core: Core, viewer: Viewer, id: string): Promise<Job> {
  demand(viewer, 'submit');
  return transact(core, async (em) => {
    const job = await lockJob(em, viewer, id);
    if (job.status === 'CANCELED') return job;
    if (!mayFollow('cancel', job.status)) {
      throw new ConflictError(
        `Job ${job.id} has ${job.status.toLowerCase()} already: what has ended cannot be canceled`,
      );
    }
    await cancelLocked(em, job);
    return job;
  });
}

/** Everything that a cancel implies, for a job whose row the caller holds. */
async function cancelLocked(em: EntityManager, job: Job): Promise<void> {
  const attempt = await em.findOne(
    Attempt,
    { jobId: job.id, number: job.attemptNumber, outcome: null },
    { lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  const now = await databaseNow(em);
  const reason = 'Canceled by a person or a program with a key of the account';
  if (attempt) {
    attempt.outcome = 'CANCELED';
    attempt.endedBy = 'USER';
    attempt.endedAt = now;
    attempt.reason = reason;
    const data = { outcome: 'CANCELED', reason, machineId: attempt.machineId, agentId: attempt.agentId };
    publish(em, job, 'ATTEMPT_ENDED', { attempt: attempt.number, data });
  }
  job.status = 'CANCELED';
  job.statusReason = reason;
  job.canceledAt = now;
  job.resumableAttempt = null;
  publish(em, job, 'CANCELED', {
    ...(attempt && { attempt: attempt.number }),
    data: { agentId: attempt?.agentId ?? null },
  });
}
