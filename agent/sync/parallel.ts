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
  const slots = createSlots(limit);
  const running = new Set<Promise<void>>();
  const results: T[] = [];
  const fail = (error: unknown) => {
    failures.push(error);
    abort.abort(error);
  };

  let started = 0;
  try {
    for await (const task of tasks) {
      const giveBack = await slots.take(either);
      const index = started++;
      const run: Promise<void> = task(either)
        .then((result) => void (results[index] = result), fail)
        .finally(() => {
          running.delete(run);
          giveBack();
        });
      running.add(run);
    }
  } catch (error) {
    if (!either.aborted) fail(error);
  }
  await Promise.all(running);
  signal.throwIfAborted();
  if (failures.length > 0) throw failures[0];
  return results;
}

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

/** Waits for `promise`. Rejects with the reason of `signal` when that is aborted before. */
export async function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const settled = new AbortController();
  await Promise.race([promise, whenAborted(signal, settled.signal)]);
  settled.abort();
  signal.throwIfAborted();
}
