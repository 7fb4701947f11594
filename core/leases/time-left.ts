import type { Attempt, TracePoint } from '../../db/entities/attempt.ts';

/** What is so far away nobody knows. */
const LONGEST_SECONDS = 100 * 365 * 86_400;

/** Until the command of a living attempt is done, in seconds from `now`, going by how its fraction grew; null when that can't be told. */
export function secondsLeftOf(attempt: Attempt, now: Date): number | null {
  const { progress, progressTrace, outcome } = attempt;
  if (outcome !== null || progress === null || progress.fraction === null) return null;
  const last: TracePoint = [Date.parse(progress.at) / 1_000, progress.fraction];
  return secondsLeft([...(progressTrace ?? []), last], now.getTime() / 1_000);
}

/**
 * The time left by a trace of fractions, each with its second: what is left of the way by the median of the paces between any two
 * points of its last rise. A report that is not due yet counts as under way, so the time left falls evenly between reports; one that
 * is overdue makes the whole rise slower, so a stall makes it grow. Null for fewer than two points, and for what no clock holds.
 */
export function secondsLeft(trace: readonly TracePoint[], now: number): number | null {
  const rise = lastRise(trace);
  const [first, last] = [rise.at(0), rise.at(-1)];
  if (last === undefined || first === undefined) return null;
  const [lastAt, reached] = last;
  if (reached >= 1) return 0;
  if (rise.length < 2) return null;
  const pace = median(pairsOf(rise).map(([[at, from], [later, to]]) => (to - from) / (later - at)));
  const usualGap = median(rise.slice(1).map(([at], index) => at - (rise[index]?.[0] ?? at)));
  const gap = Math.max(0, now - lastAt);
  const stall = Math.max(0, gap - usualGap);
  const left = ((1 - reached) / pace) * (1 + stall / (lastAt - first[0])) - Math.min(gap, usualGap);
  if (!Number.isFinite(left) || left > LONGEST_SECONDS) return null;
  return Math.max(0, left);
}

/** The points since the fraction last fell, each later and further than the one before. */
function lastRise(trace: readonly TracePoint[]): TracePoint[] {
  let rise: TracePoint[] = [];
  for (const point of trace) {
    const [at, fraction] = point;
    const last = rise.at(-1);
    if (last === undefined || fraction < last[1]) rise = [point];
    else if (fraction > last[1] && at > last[0]) rise.push(point);
  }
  return rise;
}

function pairsOf(points: readonly TracePoint[]): [TracePoint, TracePoint][] {
  return points.flatMap((from, index) => points.slice(index + 1).map((to): [TracePoint, TracePoint] => [from, to]));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
