import { boundedMap } from '../../lib/bounded-map.ts';
import { pause } from '../../lib/pause.ts';
import { RateLimitedError } from '../errors.ts';

/**
 * Resolves when what is new under a lease may become an event.
 * @throws RateLimitedError when too many of that lease wait for it already
 */
export type NewsPace = (lease: string) => Promise<void>;

export interface NewsPaceOptions {
  /** One in so many milliseconds on the average (1,000), … */
  everyMs?: number | undefined;
  /** … and so many at once (20), by one who has said nothing for as long as that. */
  burst?: number | undefined;
  /** Whoever would have to wait for longer is refused; in milliseconds (2,000). */
  longestWaitMs?: number | undefined;
}

/** Leases that are counted at a time; above that, the one that has been silent for longest is counted anew. */
const MOST_LEASES = 100_000;

/**
 * Each change of a warning or of the phase and each burst of checkpoints is an event, kept for as long as its job, and an agent may
 * have ever new ones. Whoever comes too soon is answered later, so that what was acknowledged is written, and the last word is never lost;
 * agents send such things once a second at most, and wait for nothing.
 */
export function createNewsPace({ everyMs = 1_000, burst = 20, longestWaitMs = 2_000 }: NewsPaceOptions = {}): NewsPace {
  // When the last of those that were let through would have been due, one after the other, in milliseconds of the monotonic clock.
  const dueAt = boundedMap<number>(MOST_LEASES);
  return async (lease) => {
    const now = performance.now();
    const due = Math.max(dueAt.get(lease) ?? 0, now) + everyMs;
    const waitMs = due - burst * everyMs - now;
    if (waitMs > longestWaitMs) {
      throw new RateLimitedError(
        `Expected news of an attempt (warnings, checkpoints, phases) once in ${everyMs / 1_000} s on the average, got more. Say what is so then.`,
        Math.ceil(waitMs / 1_000),
      );
    }
    dueAt.set(lease, due);
    if (waitMs > 0) await pause(waitMs);
  };
}
