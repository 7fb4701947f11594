import { whenAborted } from '../../lib/pause.ts';

export type Task<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Runs the tasks, at most `limit` at once, and resolves to their results in the tasks' order. The first failure aborts
 * the others. Settles only after every task that began has settled, so nothing goes on behind the caller's back.
 */
export async function inParallel<T>(
  tasks: Iterable<Task<T>> | AsyncIterable<Task<T>>,
  limit: number,
  signal: AbortSignal,
): Promise<T[]> {
  const failures: unknown[] = [];
  const abort = new AbortController();
  const either = AbortSignal.any([signal, abort.signal]);
  const running = new Set<Promise<void>>();
  const results = new Map<number, T>();
  const fail = (error: unknown) => {
    failures.push(error);
    abort.abort(error);
  };

  let started = 0;
  try {
    for await (const task of tasks) {
      if (either.aborted) break;
      const index = started++;
      const run: Promise<void> = task(either)
        .then((result) => void results.set(index, result), fail)
        .finally(() => running.delete(run));
      running.add(run);
      if (running.size >= limit) await Promise.race(running);
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(running);
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  return [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
}

/** A place for each of at most `limit` tasks at once, however many callers there are. First come, first served. */
export interface Slots {
  /** Waits for a place. Rejects with the reason of a signal that is aborted before. */
  hold<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T>;
}

export function createSlots(limit: number): Slots {
  let free = limit;
  const waiting = new Set<() => void>();

  const takeTurn = async (signal: AbortSignal): Promise<void> => {
    if (free > 0) {
      free -= 1;
      return;
    }
    const turn = Promise.withResolvers<undefined>();
    const take = () => turn.resolve(undefined);
    const leave = () => {
      if (waiting.delete(take)) turn.reject(signal.reason);
    };
    waiting.add(take);
    signal.addEventListener('abort', leave, { once: true });
    await turn.promise.finally(() => signal.removeEventListener('abort', leave));
  };
  const passOn = () => {
    const [next] = waiting;
    if (next === undefined) free += 1;
    else waiting.delete(next);
    next?.();
  };
  return {
    async hold(signal, task) {
      signal.throwIfAborted();
      await takeTurn(signal);
      try {
        return await task();
      } finally {
        passOn();
      }
    },
  };
}

/** Waits for `promise`. Rejects with the reason of `signal` when that is aborted before. */
export async function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const settled = new AbortController();
  await Promise.race([promise, whenAborted(signal, settled.signal)]);
  settled.abort();
  signal.throwIfAborted();
}
