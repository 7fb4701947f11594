import { messageOf } from '../../lib/errors.ts';
import type { Aside } from './aside.ts';
import { confirmPublished } from './confirm.ts';
import { type Download, download, type DownloadedFile } from './download.ts';
import { createDisks, type Disks } from './disks.ts';
import { createEntry, type SyncEntry, type SyncInstruction } from './entry.ts';
import { createGate } from './gate.ts';
import type { Ledger } from './ledger.ts';
import { discardLeftovers, type EarlierAttempts, type LeftoverParts } from './leftovers.ts';
import type { Logger } from './logger.ts';
import { createMirror, type Mirror, type MirrorParts } from './mirror.ts';
import { createObservation, type Observation, type SyncCounts, type SyncState } from './observation.ts';
import { SyncError } from './errors.ts';
import { untilAborted } from './parallel.ts';
import { createPlaces, type Places } from './places.ts';
import type { ObjectStore } from './s3.ts';
import { type Asking, askingUntil, whileAnswered } from './silence.ts';
import { createSuspicion, type Death } from './suspicion.ts';
import { demandNothingVanished } from './vanished.ts';
import { createWatch, type Watch } from './watch.ts';
import { createWork, type Work } from './work.ts';

export type { SyncInstruction } from './entry.ts';
export { DiskSilent, SyncError } from './errors.ts';
export type { EarlierAttempts } from './leftovers.ts';

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
  /** Milliseconds for which a disk that is asked may answer nothing until it is given up. */
  diskWaitMs: number;
  /** Tries of one storage request after the first. */
  maxRetries: number;
  /** Files on their way at once, and MiB of memory that they take together. */
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
  /** Where the files of this agent's attempts lie that have made way for the next job: one set for all of them. */
  asides?: Set<string>;
  /** Absent for the job's first attempt. */
  earlier?: EarlierAttempts;
}

/** The data of one attempt. The methods that move data reject with SyncError, or with the reason of an aborted signal. */
export interface AttemptSync {
  /**
   * Makes every local path, and empties it of what an agent that died left there of another job. Rejects also when there
   * are no credentials for the storage, which must not come to light only after the command has run, and with DiskSilent.
   */
  prepare(): Promise<void>;
  /** Brings all of `before`; rejects if anything is missing (rule 10: no job starts from nothing). */
  download(signal: AbortSignal): Promise<void>;
  /** Discards what earlier attempts had begun to upload long ago, and begins to mirror `during`; resolves when changes are seen. */
  watch(): Promise<void>;
  /**
   * When something of the command was ended by a signal, or may have been, in place of all that was said of that before. What was being
   * written just then waits, and is not published where it stays at that when the command is no more.
   */
  commandMayHaveDied(deaths: readonly Death[]): void;
  /** The last look at `during`: publishes everything that is not yet in the bucket, and ends the watching. */
  flush(signal: AbortSignal): Promise<void>;
  /**
   * Moves the files out of the local paths, which are empty then, so that the next job may begin here; everything goes on
   * from where they lie then. Resolves to false, with everything as it was, where that cannot be done.
   */
  makeWay(): Promise<boolean>;
  /** Publishes all of `after`, and then looks whether all that was published is in the bucket (rule 9). */
  uploadAfter(signal: AbortSignal): Promise<void>;
  /** Aborts what is being written to storage; resolves when nothing is. Until `resume` all writing waits. */
  suspend(): Promise<void>;
  resume(): void;
  /** Aborted with DiskSilent when the disk of what is published answers no more: nothing comes of it on this machine. */
  readonly diskSilent: AbortSignal;
  /** Ends everything at once; nothing is uploaded after it resolves. Idempotent. */
  stop(): Promise<void>;
  /**
   * Stops, and removes the contents of the local paths, except of paths that the machine needs. What is left when `signal` is aborted the
   * next agent removes, whichever job it has. Rejects with DiskSilent: then that is left to it as well.
   */
  purge(signal: AbortSignal): Promise<void>;
  /** Bytes over the wire, and files, of transfers that are complete. */
  counts(): SyncCounts;
  /** What can be seen of it now. */
  state(): SyncState;
  /** `listener` is called when a burst was published that a successor can go on from. */
  onNews(listener: () => void): void;
}

/** A store that does not answer whether there are uploads of earlier attempts must not keep the command from starting. */
const DISCARD_WITHIN_MS = 10_000;
/** What a command has computed is worth more patience than what is prepared or removed: so many times as long its disks may be silent. */
const WAITS_OF_A_COMMAND = 5;

/** Throws PatternError when an instruction's pattern cannot be used. */
export function createAttemptSync(parts: AttemptSyncParts): AttemptSync {
  const { store, settings, log } = parts;
  const entries = entriesOf(parts);
  const ledger: Ledger = new Map();
  const stopping = new AbortController();
  // Whoever waits until nothing asks the disk any more.
  let waiting: Asking | undefined;
  const disks = createDisks(WAITS_OF_A_COMMAND * settings.diskWaitMs);
  const asking = askingUntil(stopping.signal, (path) => {
    disks.asked(path);
    waiting?.askEvenSo(path);
  });
  const { aside, ...places } = createPlaces({ ...placesPartsOf(parts, entries), ledger, asking });
  const observation = createObservation({ mirrors: entries.during.length > 0, store: store.name });
  const gate = createGate();
  const work = createWork(stopping.signal);
  const policy = { maxRetries: settings.maxRetries, log };
  const common = { store, policy, ledger, aside, disks, gate, times: settings, concurrency: settings.concurrency };
  const { mirroring: observer, following } = observation;
  const suspicion = createSuspicion(settings);
  const onLate = () => watching.soon();
  const mirrored = createMirror({ ...common, observer, suspicion, entries: entries.during, onLate });
  const watching: Watch = watchFor(entries.during, mirrored, disks, parts, stopping.signal);
  const discard = discarding({ ...common, entries: published(entries), log }, parts.earlier, work);

  const upload = (signal: AbortSignal, task: (own: AbortSignal) => Promise<void>) => {
    observation.beginUploads();
    return disks.unlessSilent(work.run(signal, task));
  };
  const stop = async (by?: Asking) => {
    waiting = by ?? waiting;
    stopping.abort(new Error('the attempt was stopped'));
    await Promise.all([watching.stop(), work.settled(), mirrored.settled()]);
  };
  return {
    download: (signal) =>
      disks.unlessSilent(work.run(signal, (own) => bringAll({ ...common, signal: own }, entries.before, observation))),
    // What is begun from then on is this attempt's own.
    watch: () => discard().then(() => disks.unlessSilent(disks.looked(watching.start()))),
    commandMayHaveDied: (deaths) => suspicion.settle(deaths),
    flush: (signal) =>
      upload(signal, async (own) => {
        await untilAborted(watching.stop(), own);
        await mirrored.finish({ deletes: true }, own);
      }),
    makeWay: () => disks.unlessSilent(disks.looked(aside.move())),
    uploadAfter: (signal) =>
      upload(signal, (own) => uploadAndConfirm({ ...common, observer: following, entries, mirrored, discard }, own)),
    ...{ suspend: () => gate.close(), resume: () => gate.open(), stop: () => stop(), diskSilent: disks.silent },
    ...patiently(places, parts, { stop, stopping: stopping.signal }),
    ...{ counts: observation.counts, state: observation.state, onNews: observation.onNews },
  };
}

function entriesOf({ plan, workingDirectory, compression }: AttemptSyncParts): Record<keyof SyncPlan, SyncEntry[]> {
  const ready = (instruction: SyncInstruction) => createEntry(instruction, workingDirectory, compression);
  return { before: plan.before.map(ready), during: plan.during.map(ready), after: plan.after.map(ready) };
}

function placesPartsOf(parts: AttemptSyncParts, { before, during, after }: Entries) {
  const { jobId, workingDirectory, keep = [], asides = new Set<string>(), log } = parts;
  const roots = [...new Set([...before, ...during, ...after].map(({ root }) => root))];
  return { roots, keep: [workingDirectory, ...keep], jobId, asides, log };
}

type Entries = ReturnType<typeof entriesOf>;

/** What asks the disk for long, for as long as it answers. */
function patiently(
  places: Pick<Places, 'prepare' | 'purge'>,
  { store, plan, settings }: AttemptSyncParts,
  { stop, stopping }: { stop: (by: Asking) => Promise<void>; stopping: AbortSignal },
): Pick<AttemptSync, 'prepare' | 'purge'> {
  return {
    async prepare() {
      if (Object.values(plan).some(({ length }) => length > 0)) await demandStore(store);
      await whileAnswered(settings.diskWaitMs, stopping, (asking) => places.prepare(asking));
    },
    purge: (signal) =>
      whileAnswered(settings.diskWaitMs, signal, async (asking) => {
        await stop(asking);
        await places.purge(asking);
      }),
  };
}

async function demandStore(store: ObjectStore): Promise<void> {
  await store.ready().catch((error: unknown) => {
    throw new SyncError(messageOf(error), { cause: error });
  });
}

/** The entries that publish. */
function published({ during, after }: Entries): SyncEntry[] {
  return [...during, ...after];
}

function watchFor(
  entries: readonly SyncEntry[],
  mirror: Mirror,
  disks: Disks,
  { settings, log }: AttemptSyncParts,
  signal: AbortSignal,
): Watch {
  const { debounceMs, maxWaitMs } = settings;
  return createWatch({
    roots: entries.map(({ root }) => root),
    pass: () => mirror.pass(signal),
    ...{ debounceMs, maxWaitMs, onFound: disks.asked, log },
  });
}

/** Never rejects. */
function discarding(
  parts: Omit<LeftoverParts, 'earlier' | 'now'>,
  earlier: EarlierAttempts | undefined,
  work: Work,
): () => Promise<void> {
  const began = performance.now();
  return async () => {
    if (earlier === undefined) return;
    const now = () => earlier.until.getTime() + performance.now() - began;
    const within = AbortSignal.timeout(DISCARD_WITHIN_MS);
    const discarded = work.run(within, (own) => discardLeftovers({ ...parts, earlier, now }, own));
    await discarded.catch((error: unknown) => {
      parts.log.debug({ reason: messageOf(error) }, 'unfinished uploads of earlier attempts are left');
    });
  };
}

interface LastUpload extends Omit<MirrorParts, 'entries'> {
  aside: Aside;
  disks: Disks;
  entries: Entries;
  /** What mirrors `during`. */
  mirrored: Mirror;
  /** Never rejects. */
  discard: () => Promise<void>;
}

async function uploadAndConfirm(parts: LastUpload, signal: AbortSignal): Promise<void> {
  const { entries, mirrored, aside, disks, ledger, discard } = parts;
  // Nobody waits for it, and the end of the attempt is its end.
  void discard();
  const last = createMirror({ ...parts, entries: entries.after });
  const again = async (own: AbortSignal) => {
    await mirrored.finish({ deletes: false }, own);
    await last.finish({ deletes: false, demandsRoots: true }, own);
  };
  await last.finish({ deletes: false, demandsRoots: true }, signal);
  await confirmPublished({ ...parts, entries: published(entries), again }, signal);
  await disks.looked(demandNothingVanished(published(entries), aside, ledger));
}

async function bringAll(
  parts: Omit<Download, 'onPlanned' | 'onFile'> & { ledger: Ledger },
  entries: readonly SyncEntry[],
  observation: Observation,
): Promise<void> {
  observation.beginDownloads();
  const onFile = ({ id, bytes, ...record }: DownloadedFile) => {
    parts.ledger.set(id, record);
    observation.downloaded(bytes);
  };
  try {
    await download({ ...parts, onPlanned: (bytes) => observation.plannedDownload(bytes), onFile }, entries);
  } finally {
    observation.endDownloads();
  }
}
