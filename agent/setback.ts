import { type Backoff, backoffMillis } from '../lib/backoff.ts';
import type { Ending } from './ending.ts';

/**
 * A job may have few faults of storage or start-up (rule 4), and an agent that claims again at once would spend them all in
 * the first second of an outage.
 */
const RESTS: Backoff = { baseMs: 1000, capMs: 60_000 };

/** How many attempts in a row have ended by a fault of storage or start-up, now that one more has ended. */
export function setbacksInARow(before: number, { kind }: Pick<Ending, 'kind'>): number {
  return kind === 'SYNC_FAILED' ? before + 1 : 0;
}

/** The setbacks of an agent, of whose attempts two may be under way at once. */
export function countSetbacks() {
  let inARow = 0;
  let isRested = true;
  return {
    ended(ending: Pick<Ending, 'kind'>): void {
      inARow = setbacksInARow(inARow, ending);
      isRested = inARow === 0;
    },
    /** How many there are in a row, for a rest after the last one; none when that was asked before. */
    unrested(): number {
      const due = isRested ? 0 : inARow;
      isRested = true;
      return due;
    },
  };
}

/** Milliseconds to rest before the next claim: none without a setback, then about 1 s, 2 s, 4 s … and at most a minute. */
export function restMillis(setbacks: number, random?: () => number): number {
  return setbacks === 0 ? 0 : backoffMillis(setbacks - 1, RESTS, random);
}
