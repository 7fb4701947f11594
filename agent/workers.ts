import { writeFileSync } from 'node:fs';
import { getAsset, isSea } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import type { Logger } from 'pino';
import { lastWords } from '../lib/output.ts';
import { pause } from '../lib/pause.ts';
import { watchPool } from './pool.ts';

const threads = new Set<Worker>();

/**
 * Starts a thread. Inside the executable there are no files: there the code of each worker is an asset, put in by
 * `npm run build:agent`, which looks for `*.worker.ts`.
 * @param file its path below agent/, such as `sync/landing.worker.ts`
 */
export function startWorker(file: `${string}.worker.ts`, options: WorkerOptions = {}): Worker {
  if (isSea()) return noted(new Worker(getAsset(file, 'utf8'), { ...options, eval: true }));
  return noted(new Worker(new URL(file, import.meta.url), options));
}

function noted(worker: Worker): Worker {
  threads.add(worker);
  return worker.once('exit', () => threads.delete(worker));
}

/** How long each thing that holds this process has to end before the process does, */
const ENDS_WITHIN_MS = 2_000;
/** and all of them together, as what answers may go on and on. */
const ALL_END_WITHIN_MS = 6_000;
const LOOK_AGAIN_MS = 5;

/**
 * Ends this process, when what it has said is out. Node waits for its threads, those of its pool as well, deaf to signals: one that hangs in the
 * kernel, on a disk that does not answer, would keep a process that does nothing more, and with it the container, for ever. So where one does,
 * this process ends by SIGKILL (status 137) and not with `code`; as process 1 of a container, by a fault (139, on arm64 133).
 */
export async function leave(code: number, log: Pick<Logger, 'fatal'>): Promise<never> {
  for (const thread of threads) void thread.terminate();
  if (await isHeld()) {
    log.fatal(
      { code },
      'A disk does not answer this process, which would wait for it for ever: it is killed in place of ending with its code',
    );
    await lastWords();
    fall();
  }
  await lastWords();
  process.exit(code);
}

/** Waits until nothing goes on in a thread of ours, or of the pool. Resolves to whether something hangs there. */
async function isHeld(): Promise<boolean> {
  const pool = watchPool();
  const began = performance.now();
  // Nobody tells when the pool has nothing more to do.
  while (threads.size > 0 || pool.isBusy()) {
    const waitedMs = performance.now() - began;
    if (waitedMs >= ENDS_WITHIN_MS && (threads.size > 0 || pool.hangs(ENDS_WITHIN_MS))) return true;
    if (waitedMs >= ALL_END_WITHIN_MS) return false;
    await pause(LOOK_AGAIN_MS);
  }
  return false;
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
