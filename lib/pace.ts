import { messageOf } from './errors.ts';
import { outside } from './outside.ts';

/** Work in bundles: what comes while it rests is done together. */
export interface Pace {
  /** Something is to be done: `work` is called once for all that is asked for until then. */
  ask(): void;
}

export interface PaceOptions {
  /** For each item that was done, so many milliseconds are rested before the next time, … */
  perItemMs: number;
  /** … but at most so many. So one thing among few is done at once, and of very many the work stays a part of the time. */
  atMostMs: number;
  /** Says how many items it has done. It runs on nobody's behalf, whoever has asked. */
  work: () => number;
  /** What `work` throws. The next time comes all the same, after the longest rest. */
  onError: (error: Error) => void;
}

export function createPace({ perItemMs, atMostMs, work, onError }: PaceOptions): Pace {
  let isAsked = false;
  let restsUntil = 0;
  const run = (): void => {
    isAsked = false;
    let restMs = atMostMs;
    try {
      restMs = Math.min(atMostMs, work() * perItemMs);
    } catch (error) {
      onError(new Error(`What is done in bundles failed: ${messageOf(error)}`, { cause: error }));
    }
    restsUntil = performance.now() + restMs;
  };
  return {
    ask() {
      if (isAsked) return;
      isAsked = true;
      const leftMs = restsUntil - performance.now();
      // Never within the call: what is asked for in one go is done in one go.
      outside(() => (leftMs <= 0 ? setImmediate(run) : setTimeout(run, leftMs)));
    },
  };
}
