/** Counts again some time after something has happened, once at a time. */
export interface Recount {
  /** Something has happened that may change the count: after this call it is counted at least once more. */
  soon(): void;
  /** What was in the way of the last counts may be gone: the pause after them is cut short. */
  again(): void;
  close(): void;
}

export interface RecountOptions {
  /** Told why when it has failed a few times in a row, and nothing as soon as it is right again. */
  onStale: (why: string | undefined) => void;
  /** Milliseconds: counted at most so often (2,000). */
  everyMs?: number;
}

const EVERY_MS = 2_000;
/** A count that takes long rests so many times as long. */
const RESTS = 9;
/** A single failure is nobody's concern: the next count is due in a moment anyway. */
const TOLD_AFTER = 3;
/** After each failure the pause doubles, up to this. */
const LONGEST_PAUSE_MS = 60_000;

/** @param count counts and shows it; tried again when it fails, for as long as it takes, with growing pauses */
export function createRecount(count: () => Promise<void>, { onStale, everyMs = EVERY_MS }: RecountOptions): Recount {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let restMs = everyMs;
  let failures = 0;
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
    const fault = await faultOf(count);
    isCounting = false;
    if (isClosed) return;
    if (fault !== undefined) isStale = true;
    failures = fault === undefined ? 0 : failures + 1;
    if (fault === undefined || failures >= TOLD_AFTER) onStale(fault);
    const pauseMs = Math.min(everyMs * 2 ** Math.max(0, failures - 1), LONGEST_PAUSE_MS);
    restMs = Math.max(pauseMs, (performance.now() - began) * RESTS);
    if (isStale) soon();
  };
  return {
    soon,
    again() {
      if (failures === 0 || timer === undefined) return;
      clearTimeout(timer);
      timer = undefined;
      restMs = everyMs;
      soon();
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

async function faultOf(count: () => Promise<void>): Promise<string | undefined> {
  try {
    await count();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
