/** How many requests that move data may be on their way at once, and what is known of the last step. Times are milliseconds. */
export interface Pace {
  limit: number;
  /** What was moved a millisecond before the last step up; 0 when there is nothing to compare with. */
  rate: number;
  /** No step up or down for gain before that. */
  heldUntil: number;
  /** When the store last said that it was too much. */
  refusedAt: number;
}

/** What was seen since the last decision. */
export interface Seen {
  /** What was moved a millisecond. */
  rate: number;
  /** Whether somebody had to wait for a place; otherwise nothing can be learned. */
  wasFull: boolean;
}

export const START: Pace = { limit: 16, rate: 0, heldUntil: 0, refusedAt: -Infinity };
const LEAST = 2;
const STEP = 1.5;
/** A gain of less is taken for chance. */
const GAIN = 1.05;
const HOLD_MS = 10_000;

/** Goes up as long as more at once moves more, and one step back when it does not; after a while it tries again. Pure. */
export function paceAfter(pace: Pace, seen: Seen, now: number, most: number): Pace {
  if (!seen.wasFull || now < pace.heldUntil) return pace;
  const isGain = seen.rate > pace.rate * GAIN;
  const limit = isGain ? Math.min(most, Math.ceil(pace.limit * STEP)) : Math.floor(pace.limit / STEP);
  if (isGain && limit > pace.limit) return { ...pace, limit, rate: seen.rate };
  return { ...pace, limit: Math.max(Math.min(LEAST, most), limit), rate: 0, heldUntil: now + HOLD_MS };
}

/** All that was on its way is refused together: that is one refusal. */
const ONE_REFUSAL_MS = 1_000;

/** The store has said that it is too much. Pure. */
export function paceAfterRefusal(pace: Pace, now: number): Pace {
  if (now - pace.refusedAt < ONE_REFUSAL_MS) return pace;
  return { limit: Math.max(1, Math.floor(pace.limit / 2)), rate: 0, heldUntil: now + HOLD_MS, refusedAt: now };
}
