import type { Logger } from 'pino';
import { raiseFence } from './fence.ts';
import { type Lease, keepLease } from './lease.ts';
import type { Claim, Link } from './link.ts';
import { createNews } from './news.ts';
import type { Witness } from './occupation.ts';
import type { PresenceRecord } from './presence.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';
import type { Vigil } from './vigil.ts';

export interface HoldParts {
  claim: Claim;
  /** When it was first asked for, on the monotonic clock. */
  askedAt: number;
  link: Pick<Link, 'heartbeat'>;
  sync: Pick<AttemptSync, 'suspend' | 'resume' | 'state' | 'onNews'>;
  presence: PresenceRecord;
  vigil: Vigil;
  witness: Pick<Witness, 'entered' | 'beat'>;
  onLost: (isCanceled: boolean) => void;
  onRecall: () => void;
  /** Something was published that a successor can go on from. */
  onSaved: () => void;
  log: Logger;
}

/** The lease of a claim, kept alive, and behind a fence: while there is no proof of it, nothing is written to storage. */
export function holdLease(parts: HoldParts): Lease {
  const { claim, askedAt, link, sync, presence, vigil, witness, log } = parts;
  const { job, attempt, leaseMillis } = claim;
  const lease = keepLease({
    jobId: job.id,
    attempt: attempt.number,
    leaseMillis,
    claimedAt: askedAt,
    heartbeatInterval: job.heartbeatInterval,
    beatWithinMs: () => presence.beatWithinMs(),
    heartbeat: (input, signal) => {
      witness.beat();
      return link.heartbeat(input, signal);
    },
    news: createNews(() => sync.state()),
    onRenewed: (sentAt, millis) => fence.renewed(sentAt, millis),
    onLost: parts.onLost,
    onRecall: parts.onRecall,
    log,
  });
  sync.onNews(() => {
    lease.hint();
    parts.onSaved();
  });
  const ask = () => lease.renew();
  const fence = raiseFence({ claim: { sentAt: askedAt, leaseMillis }, presence, vigil, sync, ask, log });
  return {
    ...lease,
    enter(phase) {
      witness.entered(phase);
      lease.enter(phase);
    },
    stop() {
      lease.stop();
      fence.stop();
    },
  };
}
