import { getAsset, isSea } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { atMost } from '../lib/pause.ts';

/**
 * Starts a thread. Inside the executable there are no files: there the code of each worker is an asset, put in by
 * `npm run build:agent`, which looks for `*.worker.ts`.
 * @param file its path below agent/, such as `sync/download.worker.ts`
 */
export function startWorker(file: `${string}.worker.ts`, options: WorkerOptions = {}): Worker {
  if (isSea()) return new Worker(getAsset(file, 'utf8'), { ...options, eval: true });
  return new Worker(new URL(file, import.meta.url), options);
}

const ending = new Set<Promise<unknown>>();

/** Ends a thread; resolves when it has ended, which one that hangs in the kernel, on a disk that does not answer, never does. */
export async function endWorker(worker: Worker): Promise<void> {
  const ended = worker.terminate();
  ending.add(ended);
  await ended.finally(() => ending.delete(ended));
}

/** How long threads have to end before this process does. */
const THREADS_END_WITHIN_MS = 2_000;

/**
 * Ends this process. Node waits for its threads, deaf to signals: one that hangs would keep a process that does nothing more, and with it the
 * container, for ever. So where one does the process kills itself.
 */
export async function leave(code: number): Promise<never> {
  await atMost(THREADS_END_WITHIN_MS, Promise.allSettled(ending));
  if (ending.size > 0) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}
