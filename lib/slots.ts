/** At most `limit` places, however many callers there are. First come, first served. */
export interface Slots {
  /**
   * Waits for so many places (1 by default; all that there are, if more are asked for). Rejects with the reason of a signal that
   * is aborted before.
   */
  hold<T>(signal: AbortSignal, task: () => Promise<T>, places?: number): Promise<T>;
  /** As `hold`, for who gives the places back by calling what this resolves to, once. */
  take(signal: AbortSignal, places?: number): Promise<() => void>;
  /** Whoever has a place keeps it. */
  setLimit(limit: number): void;
  /** Whether the next one would have to wait. */
  isFull(): boolean;
}

export function createSlots(limit: number): Slots {
  let most = limit;
  let taken = 0;
  const waiting = new Set<Waiting>();

  const hasRoom = (places: number) => taken + places <= most || taken === 0;
  const admit = () => {
    for (const next of waiting) {
      if (!hasRoom(next.places)) return;
      waiting.delete(next);
      taken += next.places;
      next.enter();
    }
  };
  const take = async (signal: AbortSignal, places = 1): Promise<() => void> => {
    signal.throwIfAborted();
    const giveBack = () => {
      taken -= places;
      admit();
    };
    if (waiting.size === 0 && hasRoom(places)) {
      taken += places;
      return giveBack;
    }
    await turnAmong(waiting, places, signal).finally(admit);
    return giveBack;
  };
  return {
    take,
    async hold(signal, task, places) {
      const giveBack = await take(signal, places);
      try {
        return await task();
      } finally {
        giveBack();
      }
    },
    setLimit(next) {
      most = next;
      admit();
    },
    isFull: () => !hasRoom(1),
  };
}

interface Waiting {
  places: number;
  enter: () => void;
}

async function turnAmong(waiting: Set<Waiting>, places: number, signal: AbortSignal): Promise<void> {
  const turn = Promise.withResolvers<undefined>();
  const own = { places, enter: () => turn.resolve(undefined) };
  const leave = () => {
    if (waiting.delete(own)) turn.reject(signal.reason);
  };
  waiting.add(own);
  signal.addEventListener('abort', leave, { once: true });
  await turn.promise.finally(() => signal.removeEventListener('abort', leave));
}
