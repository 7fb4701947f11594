import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { demandLease } from '../leases/bound.ts';
import { leaseLost } from '../leases/lost.ts';
import type { LeaseRef } from '../leases/terms.ts';
import { toStored, type SentLine } from './lines.ts';

/**
 * Stores what an attempt's command has written. Safe to send twice: what is there already is passed over. Of a log that is
 * longer than `core.logBytes`, the first half of that and the last half are kept.
 * @param chunk.offset number of its first line within the attempt, counted from 0; numbers may be left out
 * @returns the number of the line that should come next
 * @throws LeaseLostError when the attempt has ended: also one that may still come back (rule 3), which a heartbeat decides
 */
export async function appendLogs(
  core: Core,
  viewer: Viewer,
  lease: LeaseRef,
  chunk: { offset: number; lines: readonly SentLine[] },
): Promise<{ nextOffset: number }> {
  await demandLease(core, viewer, lease);
  const appended = await core.append({
    account_id: viewer.accountId,
    job_id: lease.jobId,
    attempt: lease.attempt,
    offset: chunk.offset,
    content: chunk.lines.map(toStored),
    half: Math.floor(core.logBytes / 2),
  });
  if (appended === undefined) throw await leaseLost(core.em.fork(), viewer, lease);
  if (appended.stored) core.announce('logs');
  return { nextOffset: appended.next_offset };
}
