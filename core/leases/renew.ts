import type { AttemptPhase, Progress } from '../../db/entities/attempt.ts';
import { statement } from '../../db/statement.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { demandLease } from './bound.ts';
import { leaseLost } from './lost.ts';
import { leaseMillis, type LeaseRef } from './terms.ts';

interface Held {
  heartbeat_interval: number;
  draining: boolean;
}

const renewStatement = statement<
  { account_id: string; job_id: string; attempt: number; bytes_downloaded: string; bytes_uploaded: string },
  Held
>('renew-lease');

const resumeStatement = statement<{ account_id: string; job_id: string; attempt: number }, Held>('resume-attempt');

const reportStatement = statement<
  {
    account_id: string;
    job_id: string;
    attempt: number;
    phase: AttemptPhase | null;
    progress: Record<string, unknown> | null;
  },
  { events: number }
>('report-attempt');

/** What an agent says of its attempt when its heart beats. Bytes are totals of the attempt. */
export interface Pulse {
  phase?: AttemptPhase | undefined;
  progress?: Omit<Progress, 'at'> | undefined;
  bytesDownloaded?: string | undefined;
  bytesUploaded?: string | undefined;
}

export interface RenewedLease {
  /** How long it lasts from now, in milliseconds. */
  leaseMillis: number;
  /** Whether its agent is asked to leave. */
  draining: boolean;
}

/**
 * Renews a lease, also one that ran out while nobody else has claimed the job (rule 3), and stores what the agent says.
 * @throws LeaseLostError when a newer attempt exists or the job has ended
 */
export async function heartbeat(core: Core, viewer: Viewer, lease: LeaseRef, pulse: Pulse = {}): Promise<RenewedLease> {
  await demandLease(core, viewer, lease);
  const em = core.em.fork();
  const fence = { account_id: viewer.accountId, job_id: lease.jobId, attempt: lease.attempt };
  const bytes = { bytes_downloaded: pulse.bytesDownloaded ?? '0', bytes_uploaded: pulse.bytesUploaded ?? '0' };
  let [held] = await renewStatement(em, { ...fence, ...bytes });
  if (held === undefined) {
    [held] = await resumeStatement(em, fence);
    if (held === undefined) throw await leaseLost(em, viewer, lease);
    core.announce();
  }
  if (pulse.phase !== undefined || pulse.progress !== undefined) {
    const progress = pulse.progress === undefined ? null : { ...pulse.progress, at: new Date().toISOString() };
    const [reported] = await reportStatement(em, { ...fence, phase: pulse.phase ?? null, progress });
    if (reported !== undefined && reported.events > 0) core.announce();
  }
  return { leaseMillis: leaseMillis(held.heartbeat_interval), draining: held.draining };
}
