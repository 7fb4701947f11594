import type { Observed } from './scan.ts';
import { settlesMs, type SettleTimes } from './settle.ts';
import { CLOCK_TICK_MS } from './transfer.ts';

/** Knows what may be half-written because its writer was ended by a signal. Times are milliseconds since 1970. */
export interface Suspicion {
  /** Somebody may have been ended, `at`. `isDeadly`: everybody was, and nobody knows yet since when they are dead. */
  raise(at: number, isDeadly: boolean): void;
  /** These were deaths, and nothing else was. */
  settle(deaths: readonly number[]): void;
  /** Whether the last change of a file lies so short before such a moment that it had not settled then. `previous`: what the bucket has. */
  isOn(state: Observed, previous: Observed | undefined): boolean;
}

/** What had settled by then is as good as ever, and what changed later somebody lived to change. */
export function createSuspicion(times: SettleTimes): Suspicion {
  let moments: { at: number; isOpen: boolean }[] = [];
  return {
    raise: (at, isDeadly) => void moments.push({ at, isOpen: isDeadly }),
    settle: (deaths) => (moments = deaths.map((at) => ({ at, isOpen: false }))),
    isOn(state, previous) {
      const isCut = previous?.ino === state.ino && state.size < previous.size;
      const changedAt = Number(state.ctimeNs / 1_000_000n);
      const settledAt = changedAt + CLOCK_TICK_MS + settlesMs(isCut, times);
      return moments.some(({ at, isOpen }) => at < settledAt && (isOpen || changedAt <= at));
    },
  };
}
