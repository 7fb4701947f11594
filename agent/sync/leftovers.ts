import { messageOf } from '../../lib/errors.ts';
import { type Address, idOf, relativePathOf, type SyncEntry } from './entry.ts';
import type { Gate } from './gate.ts';
import type { Logger } from './logger.ts';
import type { ObjectStore } from './s3.ts';
import type { UnfinishedUpload, UploadsMarker } from './s3-uploads.ts';

/** When earlier attempts of a job may have begun an upload. */
export interface EarlierAttempts {
  /** The job's first claim, */
  from: Date;
  /** and that of the present attempt. */
  until: Date;
}

export interface LeftoverParts {
  store: Pick<ObjectStore, 'listUploads' | 'lastPart' | 'abortMultipart'>;
  gate: Gate;
  /** Those that publish. */
  entries: readonly SyncEntry[];
  earlier: EarlierAttempts;
  /** Milliseconds since 1970, by the clock that the claims are of. */
  now: () => number;
  log: Logger;
}

/**
 * An upload of which nothing arrived for so long is nobody's any more. Eight parts on their way at once, of 8 MiB each, arrive within
 * that time at a megabit a second.
 */
const IDLE_MS = 10 * 60_000;

/** A prefix below which so many pages of uploads are unfinished is not this job's alone. */
const MOST_PAGES = 20;

/**
 * Discards the multipart uploads that killed attempts of this job have left: their parts are billed until somebody does.
 * An upload names nobody, so this goes by its key, which must be one that the job could write, by when it was begun,
 * which must be after the job's first claim and before the present attempt's, and by when its last part arrived: jobs may share a
 * prefix, and what one of them is sending is left alone, but for one that is very slow, whose agent sends that file once more. What
 * was killed just now is still too fresh, so it is worth looking again in the end. The claims have the server's time and the uploads the store's: where
 * these differ, so does what is found at the edges, but never an upload that is begun after this. Rejects only when aborted: a store that does not list
 * uploads, or a key that may not, is told of at debug level.
 */
export async function discardLeftovers(parts: LeftoverParts, signal: AbortSignal): Promise<void> {
  const { entries, log } = parts;
  let discarded = 0;
  const done = new Set<string>();
  for (const { bucket, prefix } of entries) {
    const place = idOf({ bucket, key: prefix });
    if (done.has(place)) continue;
    done.add(place);
    try {
      discarded += await discardBelow(parts, bucket, prefix, signal);
    } catch (error) {
      signal.throwIfAborted();
      log.debug({ place, reason: messageOf(error) }, 'unfinished uploads of earlier attempts could not be looked for');
    }
  }
  if (discarded > 0) log.info({ discarded }, 'unfinished uploads of earlier attempts were discarded');
}

async function discardBelow(
  parts: LeftoverParts,
  bucket: string,
  prefix: string,
  signal: AbortSignal,
): Promise<number> {
  const { store, gate } = parts;
  const own = parts.entries.filter((entry) => entry.bucket === bucket && entry.prefix === prefix);
  let discarded = 0;
  let marker: UploadsMarker | undefined;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const page = await store.listUploads(bucket, prefix, marker, signal);
    for (const upload of page.uploads.filter((one) => isLeft(one, own, parts.earlier))) {
      const { key, uploadId } = upload;
      if (!(await isIdle(parts, { bucket, key }, upload, signal))) continue;
      await gate.pass(signal, (aborted) => store.abortMultipart({ bucket, key }, uploadId, aborted));
      discarded += 1;
    }
    marker = page.next;
    if (marker === undefined) break;
  }
  return discarded;
}

async function isIdle(
  { store, now }: LeftoverParts,
  address: Address,
  { uploadId, begunAt }: UnfinishedUpload,
  signal: AbortSignal,
): Promise<boolean> {
  const isOld = (at: Date | undefined) => at === undefined || now() - at.getTime() >= IDLE_MS;
  return isOld(begunAt) && isOld(await store.lastPart(address, uploadId, signal));
}

function isLeft({ key, begunAt }: UnfinishedUpload, entries: readonly SyncEntry[], earlier: EarlierAttempts): boolean {
  return earlier.from <= begunAt && begunAt < earlier.until && entries.some((entry) => couldWrite(entry, key));
}

function couldWrite(entry: SyncEntry, key: string): boolean {
  if (entry.compression && !key.endsWith('.gz')) return false;
  const relativePath = relativePathOf(entry, entry.compression ? key.slice(0, -'.gz'.length) : key);
  return relativePath !== undefined && entry.matches(relativePath);
}
