import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { atMost } from '../../lib/pause.ts';
import type { Taken } from './arriving-file.ts';
import type { Address } from './entry.ts';
import { digestIn } from './etag.ts';
import { type Meter, metered } from './meter.ts';
import { inParallel, type Task } from './parallel.ts';
import { ObjectReplaced, type Piece, receive, type Received } from './receive.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { IncomingFile, ObjectStore } from './s3.ts';
import { type Observed, TEMPORARY_PREFIX } from './scan.ts';

export interface FetchRequest {
  store: ObjectStore;
  policy: RetryPolicy;
  address: Address;
  /** Where to put it, absolute; the directory exists. */
  path: string;
  /** Where to put it instead if the object says that it is gzip: then it is expanded. */
  expandedPath: string | undefined;
  /** Bytes, as listed. */
  size: number;
  /** Is told of bytes as they arrive. */
  onMoved: Meter;
  signal: AbortSignal;
}

export interface FetchedFile {
  path: string;
  state: Observed;
  bytes: number;
  /** The object's ETag, unless it was expanded. */
  etag?: string;
}

/** A larger object is fetched in ranges of that many bytes. */
const RANGE_BYTES = 16 * 2 ** 20;
const RANGES_AT_ONCE = 8;
/** On a disk that hangs for longer the next cleaning finds it. */
const REMOVAL_MS = 5_000;

/**
 * Writes the object beside its place and renames it when length and content are right. A connection that breaks is gone on
 * from where it broke; only an object that was replaced, or damaged, is begun anew. Rejects after all retries.
 */
export async function fetchFile(request: FetchRequest): Promise<FetchedFile> {
  const { store, policy, address, path, expandedPath, onMoved, signal } = request;
  const suspects = new Set<string>();
  return withRetries(policy, `download ${address.key}`, signal, async () => {
    const temporary = join(dirname(path), TEMPORARY_PREFIX + randomUUID());
    const file = store.land(temporary, expandedPath !== undefined);
    try {
      return await metered(onMoved, (meter) => fetchInto(file, { ...request, onMoved: meter }, suspects));
    } catch (error) {
      await file.drop(signal);
      await atMost(REMOVAL_MS, rm(temporary, { force: true }));
      throw error;
    }
  });
}

async function fetchInto(file: IncomingFile, request: FetchRequest, suspects: Set<string>): Promise<FetchedFile> {
  const first = await begin(file, request);
  const { etag, totalSize: bytes, expands, lastModified } = first;
  const object: Received = { ...request, file, etag };
  let last = await receive(object, { start: 0, end: first.size, first });
  if (expands) {
    // What is expanded has to come in order.
    for (const piece of piecesAfter(first)) last = await receive(object, piece);
  } else {
    await fetchRest(object, first);
  }
  if (last.digest !== undefined) checkDigest(last.digest, etag, suspects, request);
  const path = expands && request.expandedPath !== undefined ? request.expandedPath : request.path;
  request.signal.throwIfAborted();
  const state = await file.keep(path, lastModified, request.signal);
  return { path, state, bytes, ...(expands ? {} : { etag }) };
}

async function begin(file: IncomingFile, { store, address, size, onMoved, signal }: FetchRequest): Promise<Taken> {
  const ask = (totalSize: number) => {
    const range: [number, number] = [0, RANGE_BYTES - 1];
    return file.take(address, { totalSize, ...(totalSize > RANGE_BYTES ? { range } : {}) }, onMoved, signal);
  };
  const first = await ask(size).catch((error: unknown) => {
    // It was large when it was listed, and is empty now: no range of it can be had.
    if (error instanceof Error && error.name === 'InvalidRange') return ask(0);
    throw error;
  });
  if (first.isExpected) return first;
  // Another object by now, or an answer that whoever passed it on has cut short: the store itself knows.
  const object = await store.head(address, signal);
  if (object?.size !== first.totalSize) {
    throw new Error(`the answer has ${first.totalSize} bytes, and the object ${object?.size ?? 'is gone'}`);
  }
  const again = await ask(object.size);
  if (!again.isExpected) throw new ObjectReplaced();
  return again;
}

function piecesAfter({ size, totalSize }: Taken): Piece[] {
  const pieces: Piece[] = [];
  for (let start = size; start < totalSize; start += RANGE_BYTES) {
    pieces.push({ start, end: Math.min(start + RANGE_BYTES, totalSize) });
  }
  return pieces;
}

async function fetchRest(object: Received, first: Taken): Promise<void> {
  const tasks = piecesAfter(first).map(
    (piece): Task<Taken> =>
      (signal) =>
        receive({ ...object, signal }, piece),
  );
  await inParallel(tasks, RANGES_AT_ONCE, object.signal);
}

/**
 * Stores that encrypt give ETags that look like digests and are none. So a content that does not fit is fetched again, and is
 * taken for the object when it comes a second time: what is damaged on the way is not damaged twice in the same way.
 */
function checkDigest(digest: string, etag: string, suspects: Set<string>, { policy, address }: FetchRequest): void {
  if (digest === digestIn(etag)) return;
  if (!suspects.has(digest)) {
    suspects.add(digest);
    throw new Error(`the content has the MD5 digest ${digest}, and the ETag ${etag}: it may be damaged`);
  }
  policy.log.debug({ ...address, etag }, 'the ETag of this object is no digest of it');
}
