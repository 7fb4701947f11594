/** A running total as it was at one moment, in milliseconds of a clock that never goes back. */
export interface Sample {
  at: number;
  total: number;
}

const WINDOW_MS = 5_000;
/** Who asks more often gets the rate of the last time, so that a window holds few samples however often that is. */
const SPACING_MS = 100;

/**
 * Takes in a new sample and forgets those that left the window, except for the newest of them: from there is measured. Pure.
 */
export function sampled(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && sample.at < last.at + SPACING_MS) return samples;
  const all = [...samples, sample];
  const firstInside = all.findIndex(({ at }) => at > sample.at - WINDOW_MS);
  return all.slice(Math.max(0, firstInside - 1));
}

/** How much the total has grown per second; 0 when it has not, or when nothing is known yet. Pure. */
export function perSecond(samples: readonly Sample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return 0;
  return Math.max(0, ((last.total - first.total) / (last.at - first.at)) * 1000);
}
