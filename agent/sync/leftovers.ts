import { messageOf } from '../../lib/errors.ts';
import { idOf, relativePathOf, type SyncEntry } from './entry.ts';
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
  store: Pick<ObjectStore, 'listUploads' | 'abortMultipart'>;
  gate: Gate;
  /** Those that publish. */
  entries: readonly SyncEntry[];
  earlier: EarlierAttempts;
  log: Logger;
}

/** A prefix below which so many pages of uploads are unfinished is not this job's alone. */
const MOST_PAGES = 20;

/**
 * Discards the multipart uploads that killed attempts of this job have left: their parts are billed until somebody does.
 * An upload names nobody, so this goes by its key, which must be one that the job could write, and by when it was begun,
 * which must be after the job's first claim and before the present attempt's. Whatever another job began at any other
 * time, or under another key, is safe; what another job that shares the prefix began in that very time is discarded
 * with the rest, and its agent sends that file once more. The claims have the server's time and the uploads the store's: where
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
      await gate.pass(signal, (aborted) => store.abortMultipart({ bucket, key }, uploadId, aborted));
      discarded += 1;
    }
    marker = page.next;
    if (marker === undefined) break;
  }
  return discarded;
}

function isLeft({ key, begunAt }: UnfinishedUpload, entries: readonly SyncEntry[], earlier: EarlierAttempts): boolean {
  return earlier.from <= begunAt && begunAt < earlier.until && entries.some((entry) => couldWrite(entry, key));
}

function couldWrite(entry: SyncEntry, key: string): boolean {
  if (entry.compression && !key.endsWith('.gz')) return false;
  const relativePath = relativePathOf(entry, entry.compression ? key.slice(0, -'.gz'.length) : key);
  return relativePath !== undefined && entry.matches(relativePath);
}
