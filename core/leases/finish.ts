import { Attempt, type AttemptOutcome, type EndedBy } from '../../db/entities/attempt.ts';
import { Ban } from '../../db/entities/ban.ts';
import { Job } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';
import type { Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { publish } from '../events/publish.ts';
import { settle } from '../jobs/states.ts';
import { enqueueWebhook } from '../webhooks/enqueue.ts';
import { demandLease } from './bound.ts';
import { saveCheckpoint, type Checkpoints } from './checkpoint.ts';
import { leaseLost } from './lost.ts';
import { tellEnding } from './tell.ts';
import type { LeaseRef } from './terms.ts';
import { transferredColumns, type Transferred, type TransferredColumns } from './transferred.ts';

type FinalOutcome = Exclude<AttemptOutcome, 'CANCELED' | 'LOST'>;

/** How an attempt ended, as its agent says. */
export interface Ending extends Transferred {
  outcome: FinalOutcome;
  reason: string | null;
  exitCode?: number | undefined;
  signal?: string | undefined;
  checkpoints?: Checkpoints | undefined;
}

interface EndParameters extends TransferredColumns {
  account_id: string;
  job_id: string;
  attempt: number;
  outcome: FinalOutcome;
  ended_by: EndedBy;
  reason: string | null;
  exit_code: number | null;
  signal: string | null;
}

const endStatement = statement<
  { [name in keyof EndParameters]: EndParameters[name] },
  {
    late: boolean;
    resumed: boolean;
    machine_id: string;
    agent_id: string | null;
    started_at: string;
    ended_at: string;
  }
>('end-attempt');

/**
 * Ends an attempt and settles its job, in one transaction. Repeating the same report is safe: it changes nothing and gives the
 * job.
 * @throws LeaseLostError when a newer attempt exists or the job has ended otherwise
 */
export async function finishAttempt(core: Core, viewer: Viewer, lease: LeaseRef, ending: Ending): Promise<Job> {
  await demandLease(core, viewer, lease);
  return transact(core, async (em, onceCommitted) => {
    const parameters = endParameters(viewer, lease, ending);
    // The last checkpoints may not have been told by a heartbeat, and are older than the ending.
    if (ending.checkpoints !== undefined) await saveCheckpoint(em, parameters, ending.checkpoints);
    const [ended] = await endStatement(em, parameters);
    if (ended === undefined) return alreadyReported(em, viewer, lease, ending);
    const job = await em.findOneOrFail(Job, { id: lease.jobId });
    const attempt: EndedAttempt = {
      ...ending,
      late: ended.late,
      resumed: ended.resumed,
      attempt: lease.attempt,
      machineId: ended.machine_id,
      agentId: ended.agent_id,
      startedAt: new Date(ended.started_at),
      endedAt: new Date(ended.ended_at),
    };
    await settleJob(em, job, attempt);
    onceCommitted(() => tellEnding(core.traces, job, attempt));
    return job;
  });
}

/** An ending as the job's side of it needs it. */
export interface EndedAttempt {
  outcome: Exclude<AttemptOutcome, 'CANCELED'>;
  reason: string | null;
  late: boolean;
  /** It had come back after it was taken for lost. */
  resumed: boolean;
  attempt: number;
  machineId: string;
  agentId: string | null;
  /** By the database's clock (rule 13). */
  startedAt: Date;
  endedAt: Date;
  exitCode?: number | undefined;
  signal?: string | undefined;
}

/** What an attempt's ending means for its job, whose row the caller holds: counters, ban, events, webhook (rules 4, 5, 11). */
export async function settleJob(em: EntityManager, job: Job, ended: EndedAttempt): Promise<void> {
  const { status, bans, resumable, ...counted } = settle(job, ended);
  Object.assign(job, counted, { status, resumableAttempt: resumable ? ended.attempt : null });
  if (bans) {
    job.bannedMachineId = ended.machineId;
    await em.upsert(Ban, banOf(job, ended), { onConflictAction: 'ignore' });
  }
  publish(em, job, 'ATTEMPT_ENDED', {
    attempt: ended.attempt,
    data: {
      outcome: ended.outcome,
      reason: ended.reason,
      exitCode: ended.exitCode ?? null,
      signal: ended.signal ?? null,
      machineId: ended.machineId,
      agentId: ended.agentId,
      status,
    },
  });
  if (status === 'PENDING') return;
  if (status === 'COMPLETED') job.completedAt = ended.endedAt;
  else job.failedAt = ended.endedAt;
  publish(em, job, status, { attempt: ended.attempt });
  enqueueWebhook(em, job, status === 'COMPLETED' ? 'completed' : 'failed');
}

function banOf(job: Job, ended: EndedAttempt) {
  return {
    jobId: job.id,
    machineId: ended.machineId,
    accountId: job.accountId,
    attempt: ended.attempt,
    reason: ended.reason ?? ended.outcome,
  };
}

async function alreadyReported(em: EntityManager, viewer: Viewer, lease: LeaseRef, ending: Ending): Promise<Job> {
  const attempt = await em.findOne(Attempt, { jobId: lease.jobId, number: lease.attempt, accountId: viewer.accountId });
  if (attempt?.outcome === ending.outcome && attempt.endedBy === 'AGENT') {
    return em.findOneOrFail(Job, { id: lease.jobId });
  }
  throw await leaseLost(em, viewer, lease);
}

function endParameters(viewer: Viewer, lease: LeaseRef, ending: Ending): EndParameters {
  return {
    account_id: viewer.accountId,
    job_id: lease.jobId,
    attempt: lease.attempt,
    outcome: ending.outcome,
    ended_by: 'AGENT',
    reason: ending.reason,
    exit_code: ending.exitCode ?? null,
    signal: ending.signal ?? null,
    ...transferredColumns(ending),
  };
}
