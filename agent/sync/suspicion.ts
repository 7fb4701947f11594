import { CLOCK_TICK_MS } from './open-file.ts';
import type { Observed } from './scan.ts';
import { isCut, settlesMs, type SettleTimes } from './settle.ts';

/** Somebody was ended by a signal: what he was writing may be half-written. Times are milliseconds since 1970. */
export interface Death {
  /** What had settled by then is as good as ever. */
  from: number;
  /** What was changed later somebody else lived to change. Infinity where nobody knows yet since when he is dead. */
  until: number;
  /**
   * Where nobody was writing `since`, and only somebody who began then can have been interrupted. `mayBeHeirs`: somebody lived on, whose first
   * change may bear a time before `until`, as the times of files are no finer than the kernel's clock.
   */
  begun?: { since: number; mayBeHeirs: boolean };
}

/** Knows what may be half-written because its writer was ended by a signal. Times are milliseconds since 1970. */
export interface Suspicion {
  /** These are the deaths that there were, or may have been, and there were no others. */
  settle(deaths: readonly Death[]): void;
  /** Whether a file was changed by who died, as far as its times tell, and had not settled before. `previous`: what the bucket has. */
  isOn(state: Observed, previous: Observed | undefined): boolean;
}

export function createSuspicion(times: SettleTimes): Suspicion {
  let moments: readonly Death[] = [];
  return {
    settle: (deaths) => void (moments = deaths),
    isOn(state, previous) {
      const changedAt = Number(state.ctimeNs / 1_000_000n);
      const settlesAt = changedAt + CLOCK_TICK_MS + settlesMs(isCut(state, previous), times);
      return moments.some((death) => death.from < settlesAt && isOfTheDead(changedAt, death));
    },
  };
}

/** The file was changed at `changedAt`, or up to a tick later. */
function isOfTheDead(changedAt: number, { until, begun }: Death): boolean {
  if (begun === undefined) return changedAt <= until;
  const latest = begun.mayBeHeirs ? until - CLOCK_TICK_MS : until;
  return changedAt + CLOCK_TICK_MS >= begun.since && changedAt <= latest;
}
