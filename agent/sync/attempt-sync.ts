import { mkdir, realpath } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import { download, type DownloadedFile } from './download.ts';
import { createEntry, type SyncEntry, type SyncInstruction } from './entry.ts';
import { SyncError } from './errors.ts';
import { createGate } from './gate.ts';
import type { Ledger } from './ledger.ts';
import type { Logger } from './logger.ts';
import { createMirror, type Mirror } from './mirror.ts';
import { untilAborted } from './parallel.ts';
import { createPurger } from './purge.ts';
import type { ObjectStore } from './s3.ts';
import { createWatch, type Watch } from './watch.ts';

export type { SyncInstruction } from './entry.ts';
export { SyncError } from './errors.ts';

export interface SyncPlan {
  before: SyncInstruction[];
  during: SyncInstruction[];
  after: SyncInstruction[];
}

export interface SyncSettings {
  /** A burst of changes is looked at after so many quiet milliseconds. */
  debounceMs: number;
  /** A file that did not change for so many milliseconds is taken for finished. */
  stabilityCheckMs: number;
  /** Longest time in milliseconds that a burst, or a file that only grows, goes unpublished. */
  maxWaitMs: number;
  /** Tries of one storage request after the first. */
  maxRetries: number;
  /** Files on their way at once. */
  concurrency: number;
}

export interface AttemptSyncParts {
  store: ObjectStore;
  /** Whose data it is. */
  jobId: string;
  plan: SyncPlan;
  /** Whether objects are gzip, as `<name>.gz`. */
  compression: boolean;
  settings: SyncSettings;
  workingDirectory: string;
  log: Logger;
  /** Paths besides the working directory, home and the agent itself that no purge may remove. */
  keep?: readonly string[];
}

/** The data of one attempt. The methods that move data reject with SyncError, or with the reason of an aborted signal. */
export interface AttemptSync {
  /**
   * Makes every local path, and empties it of what an agent that died left there of another job. Rejects also when there
   * are no credentials for the storage: that must not come to light only after the command has run.
   */
  prepare(): Promise<void>;
  /** Brings all of `before`; rejects if anything is missing (rule 10: no job starts from nothing). */
  download(signal: AbortSignal): Promise<void>;
  /** Begins to mirror `during`; resolves when changes are seen. */
  watch(): Promise<void>;
  /**
   * The command is no more. If it was killed, at `killedAt` (milliseconds since 1970), what it was writing over just then
   * does not replace what the bucket has.
   */
  commandEnded(killedAt: number | undefined): void;
  /** The last look at `during`: publishes everything that is not yet in the bucket, and ends the watching. */
  flush(signal: AbortSignal): Promise<void>;
  /** Publishes all of `after`. */
  uploadAfter(signal: AbortSignal): Promise<void>;
  /** Aborts what is being written to storage; resolves when nothing is. Until `resume` all writing waits. */
  suspend(): Promise<void>;
  resume(): void;
  /** Ends everything at once; nothing is uploaded after it resolves. Idempotent. */
  stop(): Promise<void>;
  /** Stops, and removes the contents of the local paths, except of paths that the machine needs. */
  purge(): Promise<void>;
  /** Bytes over the wire, and files, of transfers that are complete. */
  counts(): SyncCounts;
}

export interface SyncCounts {
  bytesDownloaded: number;
  bytesUploaded: number;
  filesDownloaded: number;
  filesUploaded: number;
}

/** Throws PatternError when an instruction's pattern cannot be used. */
export function createAttemptSync(parts: AttemptSyncParts): AttemptSync {
  const { store, settings, log, workingDirectory } = parts;
  const entries = entriesOf(parts);
  const roots = [...new Set([...entries.before, ...entries.during, ...entries.after].map(({ root }) => root))];
  const purger = createPurger({ roots, keep: [workingDirectory, ...(parts.keep ?? [])], jobId: parts.jobId, log });
  const ledger: Ledger = new Map();
  const tally = createTally(ledger);
  const gate = createGate();
  const stopping = new AbortController();
  const work = createWork(stopping.signal);
  const policy = { maxRetries: settings.maxRetries, log };
  const { concurrency } = settings;
  const common = { store, policy, ledger, gate, times: settings, concurrency, onUploaded: tally.uploaded };
  const mirrored = createMirror({ ...common, entries: entries.during, onLate: () => watching.hint() });
  const watching: Watch = watchFor(entries.during, mirrored, parts, stopping.signal);

  let killedAt: number | undefined;

  const stop = async () => {
    stopping.abort(new Error('the attempt was stopped'));
    await Promise.all([watching.stop(), work.settled(), mirrored.settled()]);
  };
  return {
    prepare: async () => {
      if (roots.length > 0) await makeReady(store, roots);
      await purger.takeOver();
    },
    download: (signal) =>
      work.run(signal, async (own) => {
        // One after the other: where two entries bring the same file, the later one wins.
        for (const entry of entries.before) await download({ ...common, entry, signal: own }, tally.downloaded);
      }),
    watch: () => watching.start(),
    commandEnded: (at) => (killedAt = at),
    flush: (signal) =>
      work.run(signal, async (own) => {
        await untilAborted(watching.stop(), own);
        await mirrored.finish({ deletes: true, killedAt }, own);
      }),
    uploadAfter: (signal) =>
      work.run(signal, (own) => createMirror({ ...common, entries: entries.after }).finish({ deletes: false }, own)),
    suspend: () => gate.close(),
    resume: () => gate.open(),
    stop,
    purge: async () => {
      await stop();
      await purger.purge();
    },
    counts: tally.counts,
  };
}

function entriesOf({ plan, workingDirectory, compression }: AttemptSyncParts): Record<keyof SyncPlan, SyncEntry[]> {
  const ready = (instruction: SyncInstruction) => createEntry(instruction, workingDirectory, compression);
  return { before: plan.before.map(ready), during: plan.during.map(ready), after: plan.after.map(ready) };
}

async function makeReady(store: ObjectStore, roots: readonly string[]): Promise<void> {
  await store.ready().catch((error: unknown) => {
    throw new SyncError(messageOf(error), { cause: error });
  });
  for (const root of roots) await makeRoot(root);
}

async function makeRoot(root: string): Promise<void> {
  try {
    await mkdir(root, { recursive: true });
    await realpath(root);
  } catch (error) {
    throw new SyncError(`the local path ${root} could not be made: ${messageOf(error)}`, { cause: error });
  }
}

function watchFor(
  entries: readonly SyncEntry[],
  mirror: Mirror,
  { settings, log }: AttemptSyncParts,
  signal: AbortSignal,
): Watch {
  const { debounceMs, maxWaitMs } = settings;
  return createWatch({
    roots: entries.map(({ root }) => root),
    pass: () => mirror.pass(signal),
    debounceMs,
    maxWaitMs,
    log,
  });
}

interface Work {
  /** Runs `task` with a signal that also `stop` aborts. */
  run(signal: AbortSignal, task: (signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Resolves when nothing runs. */
  settled(): Promise<void>;
}

function createWork(stopping: AbortSignal): Work {
  const running = new Set<Promise<void>>();
  return {
    async run(signal, task) {
      const own = AbortSignal.any([signal, stopping]);
      own.throwIfAborted();
      const present = task(own);
      running.add(present);
      await present.finally(() => running.delete(present));
    },
    async settled() {
      await Promise.allSettled(running);
    },
  };
}

function createTally(ledger: Ledger) {
  const counts: SyncCounts = { bytesDownloaded: 0, bytesUploaded: 0, filesDownloaded: 0, filesUploaded: 0 };
  return {
    counts: () => ({ ...counts }),
    downloaded: ({ id, bytes, ...record }: DownloadedFile) => {
      ledger.set(id, record);
      counts.bytesDownloaded += bytes;
      counts.filesDownloaded += 1;
    },
    uploaded: (bytes: number) => {
      counts.bytesUploaded += bytes;
      counts.filesUploaded += 1;
    },
  };
}
