import { getAsset, isSea } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts a thread. Inside the executable there are no files: there the code of each worker is an asset, put in by
 * `npm run build:agent`, which looks for `*.worker.ts`.
 * @param file its path below agent/, such as `sync/download.worker.ts`
 */
export function startWorker(file: `${string}.worker.ts`, options: WorkerOptions = {}): Worker {
  if (isSea()) return new Worker(getAsset(file, 'utf8'), { ...options, eval: true });
  return new Worker(new URL(file, import.meta.url), options);
}
