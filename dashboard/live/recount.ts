/** Counts again some time after something has happened, once at a time. */
export interface Recount {
  /** Something has happened that may change the count: after this call it is counted at least once more. */
  soon(): void;
  close(): void;
}

const EVERY_MS = 2_000;
/** A count that takes long rests so many times as long. */
const RESTS = 9;

/**
 * @param count counts and shows it; tried again when it fails
 * @param everyMs at most so often (2,000)
 */
export function createRecount(count: () => Promise<void>, everyMs = EVERY_MS): Recount {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let restMs = everyMs;
  let isCounting = false;
  let isStale = false;
  let isClosed = false;

  const soon = (): void => {
    // A count that is on its way may not have seen what has just happened.
    if (isCounting) isStale = true;
    else if (!isClosed) timer ??= setTimeout(() => void run(), restMs);
  };
  const run = async (): Promise<void> => {
    const began = performance.now();
    timer = undefined;
    isCounting = true;
    isStale = false;
    try {
      await count();
    } catch {
      isStale = true;
    }
    isCounting = false;
    restMs = Math.max(everyMs, (performance.now() - began) * RESTS);
    if (isStale) soon();
  };
  return {
    soon,
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
