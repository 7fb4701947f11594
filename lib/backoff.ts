/** How the waits between tries grow: `baseMs` before the first repetition, doubled each time, never above `capMs`. */
export interface Backoff {
  baseMs: number;
  capMs: number;
}

/**
 * Milliseconds to wait before repetition number `repetition` (0 is the first). The upper half of the wait is random, so
 * that clients who lost the same server do not come back in step.
 */
export function backoffMillis(
  repetition: number,
  { baseMs, capMs }: Backoff,
  random: () => number = Math.random,
): number {
  const full = Math.min(capMs, baseMs * 2 ** repetition);
  return Math.round(full * (0.5 + random() / 2));
}

/** `millis` give or take `share` of it (0.2 = ± 20 %), so that equal intervals of many clients drift apart. */
export function jittered(millis: number, share = 0.2, random: () => number = Math.random): number {
  return Math.round(millis * (1 - share + 2 * share * random()));
}
