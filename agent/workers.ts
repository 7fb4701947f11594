import { writeFileSync } from 'node:fs';
import { getAsset, isSea } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import type { Logger } from 'pino';
import { pause } from '../lib/pause.ts';

const threads = new Set<Worker>();

/**
 * Starts a thread. Inside the executable there are no files: there the code of each worker is an asset, put in by
 * `npm run build:agent`, which looks for `*.worker.ts`.
 * @param file its path below agent/, such as `sync/download.worker.ts`
 */
export function startWorker(file: `${string}.worker.ts`, options: WorkerOptions = {}): Worker {
  if (isSea()) return noted(new Worker(getAsset(file, 'utf8'), { ...options, eval: true }));
  return noted(new Worker(new URL(file, import.meta.url), options));
}

function noted(worker: Worker): Worker {
  threads.add(worker);
  return worker.once('exit', () => threads.delete(worker));
}

/** How long all that holds this process has to end before the process does. */
const ENDS_WITHIN_MS = 2_000;
const LOOK_AGAIN_MS = 5;

/**
 * Ends this process. Node waits for its threads, those of its pool as well, deaf to signals: one that hangs in the kernel, on a disk that does
 * not answer, would keep a process that does nothing more, and with it the container, for ever. So where one does, this process
 * ends by SIGKILL (status 137) and not with `code`; as process 1 of a container, by a fault (139, on arm64 133).
 */
export async function leave(code: number, log: Pick<Logger, 'fatal'>): Promise<never> {
  for (const thread of threads) void thread.terminate();
  const late = performance.now() + ENDS_WITHIN_MS;
  // Nobody tells when the pool has nothing more to do.
  while (isHeld() && performance.now() < late) await pause(LOOK_AGAIN_MS);
  if (isHeld()) {
    log.fatal(
      { code },
      'A disk does not answer this process, which would wait for it for ever: it is killed in place of ending with its code',
    );
    fall();
  }
  process.exit(code);
}

/** Whether something goes on in a thread of ours, or in one of the pool that may be waiting for a disk. */
function isHeld(): boolean {
  return threads.size > 0 || process.getActiveResourcesInfo().some((what) => /^(?:FSReq|CloseReq)/.test(what));
}

function fall(): never {
  process.kill(process.pid, 'SIGKILL');
  // Still here: from process 1 of a container the kernel keeps every signal, but not its own faults.
  leaveNoCore();
  process.abort();
}

/** It would hold the keys of server and storage, and lie where the job's files do. */
function leaveNoCore(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
    process.chdir('/proc');
  } catch {
    // To end is worth more.
  }
}
