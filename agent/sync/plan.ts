import { isSame, NO_STATE, type Observed } from './scan.ts';

/** A file whose present state is not the one in the bucket. Its id is that of its object. */
export interface PlannedUpload {
  id: string;
  state: Observed;
  /** The state that the bucket has, if it has one. */
  previous: Observed | undefined;
  /** Published only after everything written before it: it may name the others, like a `latest` does. */
  marker: boolean;
}

export interface MirrorPlan {
  /** In the order in which they were written. */
  uploads: PlannedUpload[];
  /** Objects of this attempt whose file is gone. */
  deletions: string[];
  /** Whether the scan saw everything. */
  complete: boolean;
}

/**
 * How many files at the end of a burst keep their order. Keeping it for all would send 10,000 small files one by one;
 * a file that names others is written last, or is the one that is written again each time.
 */
const MARKERS = 16;

/**
 * Compares what the bucket holds of this attempt (`known`) with what is on disk (`seen`), both by object id. Without a
 * complete scan (`complete` false) nothing is taken for deleted.
 */
export function planMirror(
  known: ReadonlyMap<string, Observed>,
  seen: ReadonlyMap<string, Observed>,
  complete: boolean,
): MirrorPlan {
  const dirty = [...seen]
    .map(([id, state]) => ({ id, state, previous: publishedState(known.get(id)) }))
    .filter(({ state, previous }) => previous === undefined || !isSame(previous, state))
    .sort(byWriting);
  const replaced = dirty.filter(({ previous }) => previous !== undefined);
  const markers = new Set([...dirty.slice(-MARKERS), ...replaced.slice(-MARKERS)].map(({ id }) => id));
  return {
    uploads: dirty.map((upload) => ({ ...upload, marker: markers.has(upload.id) })),
    deletions: complete ? [...known.keys()].filter((id) => !seen.has(id)) : [],
    complete,
  };
}

/** Of an object that was sent once and may have arrived, there is no state that the bucket has for certain. */
function publishedState(known: Observed | undefined): Observed | undefined {
  return known === NO_STATE ? undefined : known;
}

type Dirty = Omit<PlannedUpload, 'marker'>;

/**
 * The kernel's clock moves in steps of milliseconds, so small files often share a time. Then what is written again comes
 * after what is new, as a marker does, and of two new files the one whose inode was given out later.
 */
function byWriting(a: Dirty, b: Dirty): number {
  return (
    compare(a.state.ctimeNs, b.state.ctimeNs) ||
    compare(a.previous === undefined ? 0 : 1, b.previous === undefined ? 0 : 1) ||
    compare(a.state.ino, b.state.ino) ||
    compare(a.id, b.id)
  );
}

function compare<T extends bigint | number | string>(a: T, b: T): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/**
 * The uploads that may start now: the ready ones, but no marker while something is not ready that was written in the
 * `burstMs` milliseconds before it.
 */
export function startable(
  uploads: readonly PlannedUpload[],
  isReady: (id: string) => boolean,
  burstMs: number,
): PlannedUpload[] {
  let unreadyNs: bigint | undefined;
  return uploads.filter(({ id, marker, state }) => {
    const isHeldUp = unreadyNs !== undefined && state.ctimeNs - unreadyNs <= BigInt(burstMs) * 1_000_000n;
    if (isReady(id)) return !(marker && isHeldUp);
    unreadyNs = state.ctimeNs;
    return false;
  });
}

/** Deletions that wait. */
export type DeletionQueue = ReadonlyMap<string, PendingDeletion>;

export interface PendingDeletion {
  /** The ids of the uploads that must be published first. */
  waits: ReadonlySet<string>;
  /** Whether two complete scans in a row missed the file: one alone may have met a rename half-way. */
  isSure: boolean;
}

/**
 * Takes the plan of a new scan into the queue. A new deletion waits for every upload pending now. One that waited for a
 * file that is gone unpublished waits for everything pending now instead: what replaced that file is among it. A deletion
 * that is seen for the second time waits for what is pending by then, too: what replaces a file may appear right after the
 * file went. A file that came back is not deleted.
 */
export function queueDeletions(
  queue: DeletionQueue,
  plan: MirrorPlan,
  seen: ReadonlyMap<string, Observed>,
): DeletionQueue {
  const pending = new Set(plan.uploads.map(({ id }) => id));
  const stillWaiting = shared((waits: ReadonlySet<string>): ReadonlySet<string> => {
    const unchanged = !plan.complete || [...waits].every((id) => seen.has(id));
    return unchanged ? new Set([...waits].filter((id) => pending.has(id) || !seen.has(id))) : pending;
  });
  const alsoPending = shared(
    (waits: ReadonlySet<string>): ReadonlySet<string> => new Set([...stillWaiting(waits), ...pending]),
  );
  const kept = [...queue]
    .filter(([id]) => !seen.has(id))
    .map(([id, { waits, isSure }]): [string, PendingDeletion] => {
      return [id, { waits: isSure ? stillWaiting(waits) : alsoPending(waits), isSure: plan.complete }];
    });
  const fresh = plan.deletions
    .filter((id) => !queue.has(id))
    .map((id): [string, PendingDeletion] => [id, { waits: pending, isSure: false }]);
  return new Map([...kept, ...fresh]);
}

/** After `published` arrived in the bucket: the queue that is left, and the deletions that wait for nothing more. */
export function releaseDeletions(
  queue: DeletionQueue,
  published: ReadonlySet<string>,
): { queue: DeletionQueue; due: string[] } {
  const unpublished = shared(
    (waits: ReadonlySet<string>): ReadonlySet<string> => new Set([...waits].filter((id) => !published.has(id))),
  );
  const left = [...queue].map(([id, { waits, isSure }]) => ({ id, waits: unpublished(waits), isSure }));
  const isDue = ({ waits, isSure }: PendingDeletion) => isSure && waits.size === 0;
  return {
    queue: new Map(left.filter((one) => !isDue(one)).map(({ id, waits, isSure }) => [id, { waits, isSure }])),
    due: left.filter(isDue).map(({ id }) => id),
  };
}

/** Deletions of one scan share one set: work on it once, not once per deletion. */
function shared<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    const value = known.get(key) ?? compute(key);
    known.set(key, value);
    return value;
  };
}
