import { createTurns, type Lane } from './turns.ts';

/** Lets through in one turn of the event loop only so much of what takes long to send, and everything else between two of those. */
export interface LoadTurns {
  /**
   * Waits for a turn; lanes take turns, and in a lane it is first come, first served.
   * @param size in whatever `mostAtOnce` is; what is larger has a turn for itself
   */
  take(lane: Lane, size: number): Promise<void>;
}

interface Load {
  size: number;
  go: () => void;
}

/** @param mostAtOnce of loads in one turn of the event loop */
export function createLoadTurns(mostAtOnce: number): LoadTurns {
  const waiting = createTurns<Load>();
  let isTaking = false;
  const takeSome = (): void => {
    let sum = 0;
    const loads = waiting.next(({ size }) => (sum += size) <= mostAtOnce);
    isTaking = loads.length > 0;
    // What they set off is done before anything else is.
    for (const { go } of loads) go();
    if (isTaking) setImmediate(takeSome);
  };
  return {
    async take(lane, size) {
      await new Promise<void>((go) => {
        waiting.add(lane, { size, go });
        if (!isTaking) setImmediate(takeSome);
        isTaking = true;
      });
    },
  };
}
