import { z } from 'zod';
import { Attempt } from '../../db/entities/attempt.ts';
import { JobEvent } from '../../db/entities/job-event.ts';
import { Job } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import { demand, demandBound, type Viewer } from '../accounts/keys.ts';
import { seeWorker } from '../agents/alive.ts';
import type { Core } from '../core.ts';
import { LeaseLostError, NotFoundError } from '../errors.ts';
import { claimJob } from './claim.ts';
import { finishAttempt, type Ending } from './finish.ts';
import { heartbeat } from './renew.ts';
import type { LeaseRef } from './terms.ts';

/**
 * A worker that asks by plain requests. It knows its machine and group, not its attempt's number, so the number is looked up
 * for it; every write then carries it as any agent's does (rule 2). A machine that is late for an earlier attempt of its own
 * cannot be told apart from the present one: the weaker mode.
 */
export interface PollingWorker {
  machineId: string;
  containerGroupId: string;
}

/** The next job for a polling worker; undefined when there is none for it. Asking makes it known among the agents. */
export async function claimForWorker(core: Core, viewer: Viewer, worker: PollingWorker): Promise<Job | undefined> {
  const job = await claimJob(core, viewer, { ...worker, agentId: null });
  await seeWorker(core, { ...worker, accountId: viewer.accountId });
  return job;
}

/**
 * Renews the lease of a polling worker.
 * @returns whether the worker still holds the job; if not, it should stop
 * @throws NotFoundError when the account has and had no such job
 */
export async function heartbeatOfWorker(
  core: Core,
  viewer: Viewer,
  jobId: string,
  worker: PollingWorker,
): Promise<boolean> {
  const lease = await leaseOf(core, viewer, jobId, worker);
  return lease !== undefined && ifHeld(heartbeat(core, viewer, lease));
}

/**
 * Ends the attempt of a polling worker, also one whose lease ran out while nobody else has claimed the job (rule 3).
 * @returns whether this was recorded; if not, another machine holds the job or it has ended, and nothing has changed
 * @throws NotFoundError when the account has and had no such job
 */
export async function finishForWorker(
  core: Core,
  viewer: Viewer,
  jobId: string,
  worker: PollingWorker,
  ending: Ending,
): Promise<boolean> {
  const lease = await leaseOf(core, viewer, jobId, worker);
  return lease !== undefined && ifHeld(finishAttempt(core, viewer, lease, ending));
}

/**
 * The job's newest attempt, if it is this worker's. An attempt that has an agent belongs to that agent's session alone, and one of a job
 * that was purged to nobody: a worker that is late must not crash on an error.
 */
async function leaseOf(
  core: Core,
  viewer: Viewer,
  jobId: string,
  worker: PollingWorker,
): Promise<LeaseRef | undefined> {
  demand(viewer, 'work');
  demandBound(viewer, worker);
  const em = core.em.fork();
  const isId = z.uuid().safeParse(jobId).success;
  const job = isId ? await em.findOne(Job, { id: jobId, accountId: viewer.accountId }) : null;
  if (!job) {
    if (isId && (await wasThere(em, viewer, jobId))) return undefined;
    throw new NotFoundError(
      `There is no job ${jobId} in this account: check the id, and that the key is the account's`,
    );
  }
  const lease = { jobId: job.id, number: job.attemptNumber };
  const attempt = await em.findOne(Attempt, { ...lease, ...worker, agentId: null });
  return attempt ? { jobId: attempt.jobId, attempt: attempt.number } : undefined;
}

/** Whether the account had this job, as long as its events are kept: it was purged while its worker was away. */
async function wasThere(em: EntityManager, viewer: Viewer, jobId: string): Promise<boolean> {
  return (await em.findOne(JobEvent, { jobId, accountId: viewer.accountId }, { fields: ['id'] })) !== null;
}

async function ifHeld(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof LeaseLostError) return false;
    throw error;
  }
}
