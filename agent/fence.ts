import type { Logger } from 'pino';
import type { PresenceRecord } from './presence.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';
import { afterFreeze, heard, proofOfClaim, renewed, trustedUntil } from './trust.ts';
import type { Vigil } from './vigil.ts';

/** Keeps an attempt from writing to storage while it cannot prove that the job is still its own. */
export interface Fence {
  /** A heartbeat that was sent at `sentAt`, on the monotonic clock, was acknowledged. */
  renewed(sentAt: number, leaseMillis: number): void;
  /** From now on the fence does nothing; the sync stays as it is. */
  stop(): void;
}

export interface FenceParts {
  /** When the claim was first sent, and what it gave. */
  claim: { sentAt: number; leaseMillis: number };
  presence: PresenceRecord;
  vigil: Vigil;
  sync: Pick<AttemptSync, 'suspend' | 'resume'>;
  /** Asks the server, by a heartbeat, for a new proof. */
  ask: () => void;
  log: Logger;
}

/**
 * Suspends the sync at the moment its proof ends, and resumes it with the next one; see "Self-fencing" among the rules of
 * leases. What watches is asked before every write too, so nothing hangs on a timer alone.
 */
export function raiseFence({ claim, presence, vigil, sync, ask, log }: FenceParts): Fence {
  let proof = proofOfClaim(claim);
  let isSuspended = false;
  let askedAbout: number | undefined;

  function look(wasFrozen = false): void {
    const now = performance.now();
    if (wasFrozen) {
      log.warn('This process was frozen for a while, and asks whether the lease still holds');
      proof = afterFreeze(proof, now);
    }
    proof = heard(proof, presence.now);
    const isTrusted = now < trustedUntil(proof, presence.now, presence.graceMillis());
    if (isTrusted === isSuspended) turn(isTrusted);
    else if (wasFrozen || isUnprovenConnection()) ask();
  }

  function turn(isTrusted: boolean): void {
    isSuspended = !isTrusted;
    if (isTrusted) {
      log.info('The lease is proven again, and storage is written to');
      sync.resume();
      return;
    }
    log.warn('There is no proof of the lease any more: nothing is written to storage until there is');
    void sync.suspend();
    ask();
  }

  /** Once for each connection: its pings prove nothing before a heartbeat has been sent on it. */
  function isUnprovenConnection(): boolean {
    const { since } = presence.now;
    if (since === undefined || since === askedAbout || proof.renewedAt >= since) return false;
    askedAbout = since;
    return true;
  }

  const forgets = [vigil.watch(look), presence.onChange(look)];
  look();
  return {
    renewed(sentAt, leaseMillis) {
      proof = renewed(proof, { sentAt, leaseMillis });
      look();
      // The question was older than a freeze, or its answer took too long.
      if (isSuspended) ask();
    },
    stop: () => forgets.forEach((forget) => forget()),
  };
}
