import { Attempt, type AttemptPhase, type Progress } from '../../db/entities/attempt.ts';
import { statement } from '../../db/statement.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { seeAgent, seeWorker } from '../agents/alive.ts';
import { storeGpuUse, type GpuSample } from '../agents/gpu-use.ts';
import { demandLease } from './bound.ts';
import { saveCheckpoint, type Checkpoints } from './checkpoint.ts';
import { leaseLost } from './lost.ts';
import type { Held } from './renewal.ts';
import { leaseMillis, type Fence, type LeaseRef } from './terms.ts';
import { progressOfTransfer, type Transfer } from './transfer.ts';
import { transferredColumns, type Transferred } from './transferred.ts';

const resumeStatement = statement<Fence & { sync_lag_seconds: number | null }, Held>('resume-attempt');

/** What an agent says of its attempt when its heart beats. */
export interface Pulse extends Transferred {
  phase?: AttemptPhase | undefined;
  /** What the command says of itself, where that has changed. */
  progress?: Omit<Progress, 'at'> | undefined;
  /** How far the downloads or uploads of the present phase are. */
  transfer?: Transfer | undefined;
  /** Age of the oldest unpublished change, in seconds; null where nothing is synced while the command runs. */
  syncLagSeconds?: number | null | undefined;
  /** What hinders the attempt now, for a person; null when nothing does. Left out, what was said last goes on. */
  warning?: string | null | undefined;
  checkpoints?: Checkpoints | undefined;
  /** How busy the GPUs of its machine are. */
  gpuSample?: GpuSample | undefined;
}

export interface RenewedLease {
  /** How long it lasts from now, in milliseconds. */
  leaseMillis: number;
  /** Whether its agent is asked to leave. */
  draining: boolean;
}

/**
 * Renews a lease, also one that ran out while nobody else has claimed the job (rule 3), and stores what the agent says. Of one lease one
 * heartbeat after the other: what it says is several statements, and what a later one says stands.
 * @throws LeaseLostError when a newer attempt exists or the job has ended
 * @throws RateLimitedError when many of that lease wait already, or when it is renewed, but too much that is new was said under it
 */
export async function heartbeat(core: Core, viewer: Viewer, lease: LeaseRef, pulse: Pulse = {}): Promise<RenewedLease> {
  await demandLease(core, viewer, lease);
  const fence = { account_id: viewer.accountId, job_id: lease.jobId, attempt: lease.attempt };
  return core.heartbeatTurns(fence, () => renewAndStore(core, viewer, fence, pulse));
}

async function renewAndStore(core: Core, viewer: Viewer, fence: Fence, pulse: Pulse): Promise<RenewedLease> {
  const lease = { jobId: fence.job_id, attempt: fence.attempt };
  const lag = { sync_lag_seconds: pulse.syncLagSeconds ?? null };
  const renew = () => core.renew({ ...fence, ...transferredColumns(pulse), ...lag });
  let held = (await renew()) ?? (await resume(core, { ...fence, ...lag }));
  // What came by way of another server may have got the lease back between the two.
  if (held === undefined && (await lives(core, fence))) held = await renew();
  if (held === undefined) throw await leaseLost(core.em.fork(), viewer, lease);
  // When it is known who asks: leases that somebody has made up are counted nowhere.
  if (isNews(held, pulse)) await core.newsPace(`${viewer.accountId} ${lease.jobId.toLowerCase()} ${lease.attempt}`);
  if ((await storeNews(core, fence, held, pulse)) > 0) core.announce();
  if (held.unseen) await seeHolder(core, viewer, held);
  if (pulse.gpuSample !== undefined) await storeGpuUse(core, viewer, lease, pulse.gpuSample);
  return { leaseMillis: leaseMillis(held.heartbeat_interval), draining: held.draining };
}

async function resume(core: Core, lease: Fence & { sync_lag_seconds: number | null }): Promise<Held | undefined> {
  const [held] = await resumeStatement(core.em.fork(), lease);
  if (held !== undefined) core.announce();
  return held;
}

async function lives(core: Core, { account_id: accountId, job_id: jobId, attempt: number }: Fence): Promise<boolean> {
  const found = await core.em
    .fork()
    .findOne(Attempt, { accountId, jobId, number, outcome: null }, { fields: ['number'] });
  return found !== null;
}

/** Whoever renews a lease is there, also where no server is connected to it. */
async function seeHolder(core: Core, { accountId }: Viewer, held: Held): Promise<void> {
  if (held.agent_id !== null) return seeAgent(core, held.agent_id);
  return seeWorker(core, { accountId, machineId: held.machine_id, containerGroupId: held.container_group_id });
}

/** Whether it says what is an event each time that it changes, with no bound of its own as progress has. */
function isNews(held: Held, { phase, warning, checkpoints }: Pulse): boolean {
  return (
    (checkpoints !== undefined && checkpoints.files > held.checkpoint_files) ||
    (warning !== undefined && warning !== held.warning) ||
    (phase !== undefined && phase !== held.phase)
  );
}

/**
 * What has changed since the last heartbeat, with its events. Most heartbeats bring nothing new, and leave the job's row alone.
 * @returns how many events were appended
 */
async function storeNews(core: Core, fence: Fence, held: Held, pulse: Pulse): Promise<number> {
  const { progress, transfer, warning, checkpoints } = pulse;
  const isWarned = warning !== undefined && warning !== held.warning;
  const phase = pulse.phase ?? held.phase;
  const said = {
    // Nothing that was so when this heartbeat came is said again: beside others that come at once it would be news.
    phase: phase === held.phase ? null : phase,
    progress: progress === undefined ? null : { ...progress, at: new Date().toISOString() },
    transfer: transfer === undefined ? null : progressOfTransfer(phase, transfer, new Date()),
    says_warning: isWarned,
    warning: warning ?? null,
  };
  let events = 0;
  // What was published is older than the phase that follows it, and than the end of a warning.
  if (checkpoints !== undefined && checkpoints.files > held.checkpoint_files) {
    events += await saveCheckpoint(core.em.fork(), fence, checkpoints);
  }
  if (phase !== held.phase || said.progress !== null || said.transfer !== null || isWarned) {
    events += (await core.report({ ...fence, ...said }))?.events ?? 0;
  }
  return events;
}
