import type { Job } from '../../db/entities/job.ts';
import { databaseNow } from '../../db/orm.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { ConflictError } from '../errors.ts';
import { publish } from '../events/publish.ts';
import { lockJob } from './find.ts';
import { mayFollow } from './states.ts';

/**
 * Makes a failed or canceled job pending again, with its whole budget. What was counted stays in the history: in the event and
 * in the attempts. Bans stay: what failed on a machine is not tried there again.
 * @throws NotFoundError
 * @throws ConflictError when the job has not failed and was not canceled
 */
export async function retryJob(core: Core, viewer: Viewer, id: string): Promise<Job> {
  demand(viewer, 'submit');
  return transact(core, async (em, onceCommitted) => {
    const job = await lockJob(em, viewer, id);
    if (!mayFollow('retry', job.status)) {
      throw new ConflictError(
        `Job ${job.id} is ${job.status.toLowerCase()}: only a failed or canceled job can be retried`,
      );
    }
    // Nobody else asks for it.
    const retriedAt = job.traceParent === null ? null : await databaseNow(em);
    const trace = core.traces.retrial(job);
    const { numFailures, numInterruptions, numSyncFailures } = job;
    publish(em, job, 'RETRIED', { data: { from: job.status, numFailures, numInterruptions, numSyncFailures } });
    Object.assign(job, {
      status: 'PENDING',
      statusReason: null,
      machineId: null,
      numFailures: 0,
      numInterruptions: 0,
      numSyncFailures: 0,
      resumableAttempt: null,
      canceledAt: null,
      failedAt: null,
      retriedAt,
      traceParent: trace?.traceParent ?? job.traceParent,
    } satisfies Partial<Job>);
    if (trace !== undefined) onceCommitted(() => trace.stored());
    return job;
  });
}
