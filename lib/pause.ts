/** setTimeout fires at once for anything longer, so a long pause is made of several timers. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits `millis`, or until `signal` is aborted. Never rejects: the caller looks at its signal. */
export async function pause(millis: number, signal?: AbortSignal): Promise<void> {
  for (let left = millis; left > 0 && signal?.aborted !== true; left -= LONGEST_TIMER_MS) {
    await oneTimer(Math.min(left, LONGEST_TIMER_MS), signal);
  }
}

function oneTimer(millis: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, millis);
    signal?.addEventListener('abort', finish);
  });
}

/** Waits for `work`, but no longer than `millis`: what takes longer goes on unattended. Rejects as `work` does in time. */
export async function atMost(millis: number, work: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  try {
    await Promise.race([work, pause(millis, done.signal)]);
  } finally {
    done.abort();
  }
}

/** Does `work`, and rejects when it takes longer than `millis`, or as it does: not everything that is asked heeds the signal it is given. */
export async function inTime<T>(millis: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = pause(millis, over.signal).then(() => Promise.reject(new Error(`no answer within ${millis} ms`)));
  try {
    return await Promise.race([work(over.signal), late]);
  } finally {
    late.catch(() => undefined);
    over.abort();
  }
}

/** `signal.aborted`, asked anew: the type checker takes a property it has once seen to be false for false for ever. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Resolves when `signal` is aborted. When `until` is aborted first, the promise stays open and nothing is left behind. */
export function whenAborted(signal: AbortSignal, until?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    signal.addEventListener('abort', () => resolve(), {
      once: true,
      ...(until === undefined ? {} : { signal: until }),
    });
  });
}
