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
