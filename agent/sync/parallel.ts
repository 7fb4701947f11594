import { whenAborted } from '../../lib/pause.ts';
import { anyOf } from '../../lib/signals.ts';
import { createSlots } from '../../lib/slots.ts';

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
  const either = anyOf(signal, abort.signal);
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

/** Waits for `promise`. Rejects with the reason of `signal` when that is aborted before. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const settled = new AbortController();
  try {
    await Promise.race([promise, whenAborted(signal, settled.signal)]);
  } finally {
    // Without a reason Node makes an error with a stack of each, which nobody sees.
    settled.abort(null);
  }
  signal.throwIfAborted();
  return promise;
}
