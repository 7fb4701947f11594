import { messageOf } from './errors.ts';
import { outside } from './outside.ts';

/** Work in bundles: what comes while it rests is done together. */
export interface Pace {
  /** Something is to be done: `work` is called once for all that is asked for until then. */
  ask(): void;
}

export interface PaceOptions {
  /** For each item that was done, or was asked for since, so many milliseconds lie between one time and the next, … */
  perItemMs: number;
  /** … but at most so many. So one thing among few is done at once, and of very many the work stays a part of the time. */
  atMostMs: number;
  /** Says how many items it has done. It runs on nobody's behalf, whoever has asked. */
  work: () => number;
  /** What `work` throws. The next time comes all the same, after the longest rest. */
  onError: (error: Error) => void;
}

export function createPace({ perItemMs, atMostMs, work, onError }: PaceOptions): Pace {
  let asked = 0;
  let done = 0;
  let endedAt = -Infinity;

  const leftMs = (): number => {
    const restMs = Math.min(atMostMs, Math.max(done, asked) * perItemMs);
    return endedAt + restMs - performance.now();
  };
  const run = (): void => {
    asked = 0;
    // Until it has said otherwise: what fails rests for the longest.
    done = Number.MAX_SAFE_INTEGER;
    try {
      done = work();
    } catch (error) {
      onError(new Error(`What is done in bundles failed: ${messageOf(error)}`, { cause: error }));
    }
    endedAt = performance.now();
  };
  const runInTime = (): void => {
    // Of a crowd that came meanwhile, those who come with it are waited for.
    const millis = leftMs();
    if (millis > 0) setTimeout(runInTime, millis);
    else run();
  };
  return {
    ask() {
      asked += 1;
      if (asked > 1) return;
      const millis = leftMs();
      // Never within the call: what is asked for in one go is done in one go.
      outside(() => (millis <= 0 ? setImmediate(run) : setTimeout(runInTime, millis)));
    },
  };
}
