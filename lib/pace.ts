/** Work in bundles: what comes while it rests is done together. */
export interface Pace {
  /** Something is to be done: `work` is called once for all that is asked for until then. */
  ask(): void;
}

/**
 * @param work says how much it has done; for each of that is rested before the next time, `perItemMs` milliseconds, but at most
 *   `atMostMs`. So one thing among few is done at once, and of very many the work stays a part of the time.
 */
export function createPace(rest: { perItemMs: number; atMostMs: number }, work: () => number): Pace {
  let isAsked = false;
  let restsUntil = 0;
  const run = (): void => {
    isAsked = false;
    const items = work();
    restsUntil = performance.now() + Math.min(rest.atMostMs, items * rest.perItemMs);
  };
  return {
    ask() {
      if (isAsked) return;
      isAsked = true;
      const leftMs = restsUntil - performance.now();
      // Never within the call: what is asked for in one go is done in one go.
      if (leftMs <= 0) setImmediate(run);
      else setTimeout(run, leftMs);
    },
  };
}
