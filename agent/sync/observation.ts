import { storable } from '../../lib/storable.ts';
import { causeOf } from './cause.ts';
import { type Collision, type Collisions, createCollisions } from './collision.ts';
import { createFailing, type Failing } from './failing.ts';
import { createLag, type Lag } from './lag.ts';
import { type Course, createTransferRecord, type Transfer, type TransferRecord } from './progress.ts';
import type { Outcome } from './transfer.ts';
import { warningOf } from './warning.ts';

/** Bytes over the wire, and files, of transfers that are complete. */
export interface SyncCounts {
  bytesDownloaded: number;
  bytesUploaded: number;
  filesDownloaded: number;
  filesUploaded: number;
}

/** What can be seen of one attempt's sync at a moment. */
export interface SyncState {
  counts: SyncCounts;
  /** How far the downloads before the command, or the uploads after it, are. */
  transfer: Transfer | undefined;
  /**
   * What was published while the command ran: totals, and the newest keys in the order of their publication. Of a burst that
   * is still on its way only what is a second old.
   */
  checkpoints: { files: number; bytes: number; newestKeys: readonly string[] };
  /** Age of the oldest change that is synced during the command and not in the bucket; null where nothing is. */
  lagSeconds: number | null;
  /** For a person: uploads keep failing, or files get in each other's way. */
  warning: string | undefined;
}

/** What a mirror tells of its uploads, by object id. */
export interface UploadObserver {
  /** A look at the directories has found exactly these files to be published. */
  looked(ids: readonly string[]): void;
  /** This file is about to be published. */
  planned(id: string, bytes: number): void;
  moved(id: string, bytes: number): void;
  /** A try of it failed; there may be another. */
  failed(id: string, error: unknown): void;
  /** A part of it has arrived. */
  worked(id: string): void;
  settled(id: string, outcome: Outcome): void;
  /** It is not on its way any more, and may not have arrived. */
  left(id: string): void;
  /** Two files would become the same object. */
  collided(collision: Collision): void;
  /** All that was planned together is over. */
  burstOver(): void;
}

/** Sees what a sync does, from the side, and says it to who asks. */
export interface Observation {
  beginDownloads(): void;
  endDownloads(): void;
  plannedDownload(bytes: number): Course;
  downloaded(bytes: number): void;
  /** The command has ended: from now on uploads are what the attempt waits for. */
  beginUploads(): void;
  /** Of what is mirrored while the command runs, and of what follows it. */
  mirroring: UploadObserver;
  following: UploadObserver;
  counts: () => SyncCounts;
  state: () => SyncState;
  /** `listener` is called when a burst of checkpoints was published. */
  onNews: (listener: () => void) => void;
}

export interface ObservationParts {
  /** Whether anything is synced while the command runs. */
  mirrors: boolean;
  /** The name by which people know the store. */
  store: string;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/** So many of the newest keys are named; the server takes no more either. */
const MOST_KEYS = 10;
/** Characters of a key that are told. */
const LONGEST_KEY = 1000;

export function createObservation(parts: ObservationParts): Observation {
  const { mirrors, now = () => performance.now() } = parts;
  const counts: SyncCounts = { bytesDownloaded: 0, bytesUploaded: 0, filesDownloaded: 0, filesUploaded: 0 };
  const record = createTransferRecord();
  const lag = createLag();
  const saved = createSaved();
  const failing = createFailing();
  const collisions = createCollisions();
  let hasEnded = false;
  let tell: () => void = () => undefined;

  const warning = () => {
    const trouble = failing.trouble(now());
    if (trouble === undefined) return collisions.warning();
    return warningOf({ trouble, now: now(), mirrors, savedAt: saved.at(), hasEnded });
  };
  const following = observeUploads({ store: parts.store, now, record, failing, collisions, counts });
  return {
    beginDownloads: () => record.begin(now()),
    endDownloads: () => record.end(),
    plannedDownload: (bytes) => record.planned(bytes),
    downloaded(bytes) {
      counts.bytesDownloaded += bytes;
      counts.filesDownloaded += 1;
    },
    beginUploads() {
      hasEnded = true;
      record.begin(now());
    },
    following,
    mirroring: observeMirror(following, { lag, saved, now, tell: () => tell() }),
    counts: () => ({ ...counts }),
    state: () => ({
      counts: { ...counts },
      transfer: record.state(now()),
      checkpoints: saved.totals(now()),
      lagSeconds: mirrors ? lag.oldestMs(now()) / 1000 : null,
      warning: warning(),
    }),
    onNews: (listener) => (tell = listener),
  };
}

interface Books {
  store: string;
  now: () => number;
  record: TransferRecord;
  failing: Failing;
  collisions: Collisions;
  counts: SyncCounts;
}

function observeUploads({ store, now, record, failing, collisions, counts }: Books): UploadObserver {
  const underWay = new Map<string, Course>();
  return {
    looked: (ids) => failing.keep(new Set(ids)),
    planned(id, bytes) {
      underWay.get(id)?.dropped();
      underWay.set(id, record.planned(bytes));
    },
    moved: (id, bytes) => underWay.get(id)?.moved(bytes),
    failed: (id, error) => failing.failed(id, causeOf(error, store), now()),
    worked: (id) => failing.worked(id),
    settled(id, outcome) {
      const hasArrived = outcome.kind === 'published' || outcome.kind === 'unchanged';
      if (hasArrived) failing.worked(id);
      if (hasArrived) underWay.get(id)?.done();
      if (outcome.kind !== 'published') return;
      counts.bytesUploaded += outcome.bytes - (outcome.copied ?? 0);
      counts.filesUploaded += 1;
    },
    left(id) {
      underWay.get(id)?.dropped();
      underWay.delete(id);
    },
    collided: (collision) => collisions.note(collision),
    burstOver: () => undefined,
  };
}

/** What a successor could go on from is of more interest: how far the bucket is behind, and what it has. */
function observeMirror(
  uploads: UploadObserver,
  { lag, saved, now, tell }: { lag: Lag; saved: ReturnType<typeof createSaved>; now: () => number; tell: () => void },
): UploadObserver {
  return {
    ...uploads,
    looked(ids) {
      uploads.looked(ids);
      lag.looked(ids, now());
    },
    settled(id, outcome) {
      uploads.settled(id, outcome);
      if (outcome.kind === 'published' || outcome.kind === 'unchanged') lag.published(id);
      if (outcome.kind !== 'published') return;
      saved.add(id, outcome.bytes, now());
    },
    burstOver() {
      if (saved.close()) tell();
    },
  };
}

/** A burst that lasts longer is told in parts. */
const LONGEST_BURST_MS = 1000;

/** What was published while the command ran; a burst becomes visible as a whole. */
function createSaved() {
  let present: SyncState['checkpoints'] = { files: 0, bytes: 0, newestKeys: [] };
  let visible = present;
  let burstSince: number | undefined;
  let newestAt: number | undefined;

  const close = () => {
    const isNew = visible !== present;
    visible = present;
    burstSince = undefined;
    return isNew;
  };
  return {
    add(id: string, bytes: number, now: number) {
      const key = id.slice(id.indexOf('/') + 1).slice(0, LONGEST_KEY);
      const newestKeys = [...present.newestKeys, storable(key)].slice(-MOST_KEYS);
      present = { files: present.files + 1, bytes: present.bytes + bytes, newestKeys };
      burstSince ??= now;
      newestAt = now;
    },
    /** The burst is over. @returns whether there was one */
    close,
    at: () => newestAt,
    totals(now: number) {
      if (burstSince !== undefined && now - burstSince >= LONGEST_BURST_MS) close();
      return visible;
    },
  };
}
