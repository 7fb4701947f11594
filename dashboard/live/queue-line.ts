import type { Point } from '../parts/point.ts';

/** What the server remembers of a queue, from when its group was scaled; the counts are null where nobody counted. */
export interface Remembered {
  at: string;
  pending: number | null;
  running: number | null;
}

/**
 * Waiting and running jobs from the oldest decision that is remembered until now, in order.
 * @param remembered newest first, by the server's clock
 * @param told since the page was opened, by this machine's clock; where the two differ what was told here is believed, as a line goes
 * forward only
 * @param now milliseconds, as all of this machine's clock
 */
export function queueLine(remembered: readonly Remembered[], told: readonly Point[], now: number): Point[] {
  const opened = told[0]?.at ?? now;
  const before = remembered.toReversed().flatMap(({ at, pending, running }): Point[] => {
    return pending === null || running === null ? [] : [{ at: Date.parse(at), values: [pending, running] }];
  });
  return [...before.filter(({ at }) => at < opened), ...told];
}
