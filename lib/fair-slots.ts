import { createTurns, type Lane } from './turns.ts';

export type { Lane };

/** Few places at a time, for which groups take turns, and in a group its lanes: a long queue in one lane holds up no other. */
export interface FairSlots {
  /**
   * Waits for a place, within a lane first come, first served. Rejects with the reason of a signal that is aborted before.
   * @throws what `crowded` makes, at once, when too many wait in the lane
   */
  hold<T>(lane: Lane, signal: AbortSignal, task: () => Promise<T>): Promise<T>;
}

/**
 * @param options.atOnce how many places there are
 * @param options.mostWaiting so many may wait in one lane
 */
export function createFairSlots(options: { atOnce: number; mostWaiting: number; crowded: () => Error }): FairSlots {
  const waiting = createTurns<() => void>();
  let taken = 0;

  const take = async (lane: Lane, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    // Where a place is free nobody waits: each that is given back goes to the next at once.
    if (taken < options.atOnce) {
      taken += 1;
      return;
    }
    if (waiting.count(lane) >= options.mostWaiting) throw options.crowded();
    const turn = Promise.withResolvers<undefined>();
    const enter = (): void => turn.resolve(undefined);
    const leave = (): void => {
      if (waiting.remove(lane, enter)) turn.reject(signal.reason);
    };
    waiting.add(lane, enter);
    signal.addEventListener('abort', leave, { once: true });
    await turn.promise.finally(() => signal.removeEventListener('abort', leave));
  };
  const giveBack = (): void => {
    const [enter] = waiting.next();
    if (enter === undefined) taken -= 1;
    else enter();
  };

  return {
    async hold(lane, signal, task) {
      await take(lane, signal);
      try {
        return await task();
      } finally {
        giveBack();
      }
    },
  };
}
