import { join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { idOf, localPathOf, relativePathOf, type SyncEntry } from './entry.ts';
import { SyncError } from './errors.ts';
import type { Course } from './progress.ts';
import type { Disks } from './disks.ts';
import { fetchFile } from './fetch.ts';
import { makeDirectory, removeLeftParts } from './directory.ts';
import { createListingBudget, type ListingBudget, type ListingBounds, listPicked } from './listing.ts';
import { inParallel, type Task } from './parallel.ts';
import { type RetryPolicy, waitToRetry } from './retry.ts';
import type { ObjectStore, StoredObject } from './s3.ts';
import { isTemporary, type Observed } from './scan.ts';

export interface Download {
  store: ObjectStore;
  policy: RetryPolicy;
  disks: Disks;
  /** Files on their way at once. */
  concurrency: number;
  signal: AbortSignal;
  /** Is told, after the listing, of each file that is to come. */
  onPlanned: (bytes: number) => Course;
  onFile: (file: DownloadedFile) => void;
  /** Of all entries together. */
  mostListed?: ListingBounds;
}

/** The same, with what all its lists may hold at once. */
type Bringing = Download & { budget: ListingBudget };

export interface DownloadedFile {
  /** The object it came from. */
  id: string;
  /** Absolute path. */
  path: string;
  state: Observed;
  /** The object's ETag, where it has the same bytes as the file. */
  etag?: string;
  /** What went over the wire. */
  bytes: number;
}

/** An object that this entry wants, and the name it would have here. */
interface Wanted extends StoredObject {
  relativePath: string;
  /** Its name without `.gz`, when the entry compresses and the object may be compressed. */
  expandedPath: string | undefined;
}

/** The same, in the account of who waits for it. */
type Coming = Wanted & { course: Course };

/**
 * Brings every object of the entries to its directory and tells `onFile` of each. Throws SyncError if a single one is
 * missing after all retries, or if a key would leave the directory: a job must not start from half of its data.
 */
export async function download(given: Download, entries: readonly SyncEntry[]): Promise<void> {
  const parts = { ...given, budget: createListingBudget(given.mostListed) };
  const lists: { entry: SyncEntry; coming: Coming[] }[] = [];
  // All are listed before the first is fetched, so that who waits knows for how much.
  for (const entry of entries) {
    await parts.disks.looked(removeLeftParts(entry.root, parts.disks.asked));
    lists.push({ entry, coming: await listComing(parts, entry) });
  }
  // One after the other: where two entries bring the same file, the later one wins.
  const bringing = async () => {
    for (const { entry, coming } of lists) await bringEntry(parts, entry, coming);
  };
  await parts.disks.askedAside(bringing(), () => parts.store.landingQuestion());
}

async function bringEntry(parts: Bringing, entry: SyncEntry, listed: readonly Coming[]): Promise<void> {
  const { policy, signal, onFile, budget } = parts;
  const brought = new Set<string>();
  for (let failures = 0, coming = listed; ; failures++) {
    const gone = await bringAll({ ...parts, entry }, coming, (key, file) => {
      brought.add(key);
      if (file !== undefined) onFile(file);
    });
    if (gone.length === 0) return;
    // It was deleted after it was listed, or the list was old: then the next one does not have it.
    const error = new SyncError(`${entry.name}: ${gone.join(', ')} listed, but the store has no such object`);
    await waitToRetry(policy, `list ${entry.name}`, signal, { error, failures });
    for (const one of coming) if (!brought.has(one.key)) budget.giveBack(one);
    coming = await listComing(parts, entry, brought);
  }
}

/** What the entry wants, except for what it has. */
async function listComing(parts: Bringing, entry: SyncEntry, brought?: ReadonlySet<string>): Promise<Coming[]> {
  const wanted = await listPicked(parts, entry, (object) =>
    brought?.has(object.key) === true ? undefined : wantedOf(entry, object),
  );
  return wanted.map((one) => ({ ...one, course: parts.onPlanned(one.size) }));
}

/** Resolves to what the store does not have, as a person reads it. */
async function bringAll(
  parts: Download & { entry: SyncEntry },
  wanted: readonly Coming[],
  onBrought: (key: string, file: DownloadedFile | undefined) => void,
): Promise<string[]> {
  const gone: string[] = [];
  // Where both `x` and `x.gz` would become `x`, the one that sync itself has written comes last and wins.
  for (const expands of [false, true]) {
    const wave = wanted.filter(({ expandedPath }) => (expandedPath !== undefined) === expands);
    const makeFolder = foldersOf(parts.entry, parts.disks);
    const tasks = wave.map((one): Task<void> => async (signal) => {
      const file = await bring({ ...parts, makeFolder, signal }, one);
      if (file === 'GONE') gone.push(`"${one.key}"`);
      else onBrought(one.key, file);
    });
    await inParallel(tasks, parts.concurrency, parts.signal);
  }
  return gone;
}

function wantedOf(entry: SyncEntry, object: StoredObject): Wanted | undefined {
  if (object.key === entry.prefix) return undefined;
  const isDirectory = object.key.endsWith('/') && object.size === 0;
  const relativePath = relativePathOf(entry, isDirectory ? object.key.slice(0, -1) : object.key);
  if (relativePath === undefined) {
    const advice = 'remove or rename that object, or narrow the prefix';
    throw new SyncError(`${entry.name}: the key "${object.key}" would be written outside the directory; ${advice}`);
  }
  // No scan would see it, and nobody has put it there who means a file.
  if (relativePath.split('/').some(isTemporary)) return undefined;
  if (isDirectory) return { ...object, relativePath, expandedPath: undefined };
  const expandedPath = entry.compression ? expandedPathOf(entry, object.key) : undefined;
  const matches = entry.matches(relativePath) || (expandedPath !== undefined && entry.matches(expandedPath));
  return matches ? { ...object, relativePath, expandedPath } : undefined;
}

function expandedPathOf(entry: SyncEntry, key: string): string | undefined {
  return key.endsWith('.gz') ? relativePathOf(entry, key.slice(0, -3)) : undefined;
}

type MakeFolder = (relativePath: string) => Promise<void>;

/** Looks at each folder once, not once for each of its files. */
function foldersOf({ root }: SyncEntry, { answered }: Disks): MakeFolder {
  const made = new Map<string, Promise<void>>();
  return (relativePath) => {
    const making =
      made.get(relativePath) ?? answered(root, join(root, relativePath), makeDirectory(root, relativePath));
    made.set(relativePath, making);
    return making;
  };
}

/** Resolves to undefined for a directory. */
async function bring(
  { store, policy, entry, makeFolder, signal }: Download & { entry: SyncEntry; makeFolder: MakeFolder },
  { key, size, relativePath, expandedPath, course }: Coming,
): Promise<DownloadedFile | 'GONE' | undefined> {
  const address = { bucket: entry.bucket, key };
  try {
    if (key.endsWith('/')) {
      await makeFolder(relativePath);
      course.done();
      return undefined;
    }
    const folder = relativePath.includes('/') ? relativePath.slice(0, relativePath.lastIndexOf('/')) : '';
    await makeFolder(folder);
    const path = localPathOf(entry, relativePath);
    const expanded = expandedPath === undefined ? undefined : localPathOf(entry, expandedPath);
    const onMoved = (bytes: number) => course.moved(bytes);
    const fetched = await fetchFile({ store, policy, address, path, expandedPath: expanded, size, onMoved, signal });
    course.done();
    return { id: idOf(address), ...fetched };
  } catch (error) {
    course.dropped();
    signal.throwIfAborted();
    if (error instanceof Error && error.name === 'NoSuchKey') return 'GONE';
    throw new SyncError(`${entry.name}: "${key}" could not be downloaded: ${messageOf(error)}`, { cause: error });
  }
}
