import { messageOf } from '../../lib/errors.ts';
import { idOf, localPathOf, relativePathOf, type SyncEntry } from './entry.ts';
import { SyncError } from './errors.ts';
import { fetchFile } from './fetch.ts';
import { makeDirectory, removeLeftParts } from './directory.ts';
import { inParallel, type Task } from './parallel.ts';
import { type RetryPolicy, waitToRetry, withRetries } from './retry.ts';
import type { ObjectStore, StoredObject } from './s3.ts';
import { isTemporary, type Observed } from './scan.ts';

export interface Download {
  store: ObjectStore;
  policy: RetryPolicy;
  entry: SyncEntry;
  /** Files on their way at once. */
  concurrency: number;
  signal: AbortSignal;
}

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

/**
 * Brings every object of the entry to its directory and tells `onFile` of each. Throws SyncError if a single one is
 * missing after all retries, or if a key would leave the directory: a job must not start from half of its data.
 */
export async function download(parts: Download, onFile: (file: DownloadedFile) => void): Promise<void> {
  const { entry, policy, signal } = parts;
  await removeLeftParts(entry.root);
  const brought = new Set<string>();
  for (let failures = 0; ; failures++) {
    const objects = (await listAll(parts)).filter(({ key }) => !brought.has(key));
    const wanted = objects.map((object) => wantedOf(entry, object)).filter((one) => one !== undefined);
    const gone = await bringAll(parts, wanted, (key, file) => {
      brought.add(key);
      if (file !== undefined) onFile(file);
    });
    if (gone.length === 0) return;
    // It was deleted after it was listed, or the list was old: then the next one does not have it.
    const error = new SyncError(`${entry.name}: ${gone.join(', ')} listed, but the store has no such object`);
    await waitToRetry(policy, `list ${entry.name}`, signal, { error, failures });
  }
}

/** Resolves to what the store does not have, as a person reads it. */
async function bringAll(
  parts: Download,
  wanted: readonly Wanted[],
  onBrought: (key: string, file: DownloadedFile | undefined) => void,
): Promise<string[]> {
  const gone: string[] = [];
  // Where both `x` and `x.gz` would become `x`, the one that sync itself has written comes last and wins.
  for (const expands of [false, true]) {
    const wave = wanted.filter(({ expandedPath }) => (expandedPath !== undefined) === expands);
    const tasks = wave.map((one): Task<void> => async (signal) => {
      const file = await bring({ ...parts, signal }, one);
      if (file === 'GONE') gone.push(`"${one.key}"`);
      else onBrought(one.key, file);
    });
    await inParallel(tasks, parts.concurrency, parts.signal);
  }
  return gone;
}

async function listAll({ store, policy, entry, signal }: Download): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  let token: string | undefined;
  try {
    do {
      const list = () => store.listPage(entry.bucket, entry.prefix, token, signal);
      const page = await withRetries(policy, `list ${entry.name}`, signal, list);
      objects.push(...page.objects);
      token = page.next;
    } while (token !== undefined);
  } catch (error) {
    signal.throwIfAborted();
    throw new SyncError(`${entry.name}: the bucket could not be listed: ${messageOf(error)}`, { cause: error });
  }
  return objects;
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

/** Resolves to undefined for a directory. */
async function bring(parts: Download, wanted: Wanted): Promise<DownloadedFile | 'GONE' | undefined> {
  const { store, policy, entry, signal } = parts;
  const { key, size, relativePath, expandedPath } = wanted;
  const address = { bucket: entry.bucket, key };
  try {
    if (key.endsWith('/')) {
      await makeDirectory(entry.root, relativePath);
      return undefined;
    }
    const folder = relativePath.includes('/') ? relativePath.slice(0, relativePath.lastIndexOf('/')) : '';
    await makeDirectory(entry.root, folder);
    const path = localPathOf(entry, relativePath);
    const expanded = expandedPath === undefined ? undefined : localPathOf(entry, expandedPath);
    const fetched = await fetchFile({ store, policy, address, path, expandedPath: expanded, size, signal });
    return { id: idOf(address), ...fetched };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Error && error.name === 'NoSuchKey') return 'GONE';
    throw new SyncError(`${entry.name}: "${key}" could not be downloaded: ${messageOf(error)}`, { cause: error });
  }
}
