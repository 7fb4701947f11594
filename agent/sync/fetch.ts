import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { BLOCK_BYTES } from './arrival.ts';
import type { Address } from './entry.ts';
import { digestIn } from './etag.ts';
import { type Meter, metered } from './meter.ts';
import { inParallel, type Task } from './parallel.ts';
import { type Piece, receive, type Received } from './receive.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { FetchedObject, ObjectStore } from './s3.ts';
import { type Observed, observe, TEMPORARY_PREFIX } from './scan.ts';

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

/** A larger object is fetched in ranges of that many bytes. Memory: 1 MiB for each that is under way. */
const RANGE_BYTES = 16 * 2 ** 20;
const RANGES_AT_ONCE = 8;

/**
 * Writes the object beside its place and renames it when length and content are right. A connection that breaks is gone on
 * from where it broke; only an object that was replaced, or damaged, is begun anew. Rejects after all retries.
 */
export async function fetchFile(request: FetchRequest): Promise<FetchedFile> {
  const { policy, address, onMoved, signal } = request;
  const suspects = new Set<string>();
  return withRetries(policy, `download ${address.key}`, signal, async () => {
    const temporary = join(dirname(request.path), TEMPORARY_PREFIX + randomUUID());
    try {
      const { path, ...fetched } = await metered(onMoved, (meter) =>
        fetchTo(temporary, { ...request, onMoved: meter }, suspects),
      );
      await rename(temporary, path);
      const state = await observe(path);
      if (state === undefined) throw new Error(`${path} vanished right after it was written`);
      return { path, state, ...fetched };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  });
}

async function fetchTo(
  temporary: string,
  request: FetchRequest,
  suspects: Set<string>,
): Promise<Omit<FetchedFile, 'state'>> {
  const { path, expandedPath } = request;
  const handle = await open(temporary, 'wx');
  try {
    const first = await begin(request);
    const { etag, totalSize: bytes } = first;
    const object: Received = { ...request, etag, asGzip: expandedPath !== undefined };
    const expands = expandedPath !== undefined && first.contentEncoding === 'gzip';
    // What is expanded has to come in order, and what comes in order can be checked on the way.
    const digest = expands || first.size === bytes ? createDigest(etag) : undefined;
    if (expands) {
      await pipeline(
        inOrder(object, first),
        digesting(digest),
        copied,
        createGunzip({ chunkSize: BLOCK_BYTES }),
        into(handle, 0),
        own(request),
      );
    } else {
      await pipeline(receive(object, pieceOf(first)), digesting(digest), into(handle, 0), own(request));
      await fetchRest(handle, first, object);
    }
    if (digest !== undefined) checkDigest(digest.value(), etag, suspects, request);
    // A command that looks for its latest checkpoint by time finds it, whatever the order of the downloads was.
    if (first.lastModified !== undefined) await handle.utimes(first.lastModified, first.lastModified);
    return expands ? { path: expandedPath, bytes } : { path, bytes, etag };
  } finally {
    await handle.close();
  }
}

async function begin({ store, address, size, expandedPath, signal }: FetchRequest): Promise<FetchedObject> {
  const range: [number, number] = [0, RANGE_BYTES - 1];
  const asGzip = expandedPath !== undefined;
  const only = size > RANGE_BYTES ? { range, asGzip } : { asGzip };
  const first = await store.get(address, only, signal).catch((error: unknown) => {
    // It was large when it was listed, and is empty now: no range of it can be had.
    if (error instanceof Error && error.name === 'InvalidRange') return store.get(address, { asGzip }, signal);
    throw error;
  });
  if (first.totalSize === size) return first;
  try {
    // Another object by now, or an answer that whoever passed it on has cut short: the store itself knows.
    const object = await store.head(address, signal);
    if (object?.size === first.totalSize) return first;
    throw new Error(`the answer has ${first.totalSize} bytes, and the object ${object?.size ?? 'is gone'}`);
  } catch (error) {
    first.body.destroy();
    throw error;
  }
}

function pieceOf(first: FetchedObject): Piece {
  return { start: 0, end: first.size, first };
}

async function* inOrder(object: Received, first: FetchedObject): AsyncGenerator<Buffer> {
  yield* receive(object, pieceOf(first));
  for (const piece of piecesAfter(first)) yield* receive(object, piece);
}

function piecesAfter({ size, totalSize }: FetchedObject): Piece[] {
  const pieces: Piece[] = [];
  for (let start = size; start < totalSize; start += RANGE_BYTES) {
    pieces.push({ start, end: Math.min(start + RANGE_BYTES, totalSize) });
  }
  return pieces;
}

async function fetchRest(handle: FileHandle, first: FetchedObject, object: Received): Promise<void> {
  const tasks = piecesAfter(first).map(
    (piece): Task<void> =>
      (signal) =>
        pipeline(receive({ ...object, signal }, piece), into(handle, piece.start), own({ signal })),
  );
  await inParallel(tasks, RANGES_AT_ONCE, object.signal);
}

/** A pipeline leaves its listeners on the signal it is given. */
function own({ signal }: { signal: AbortSignal }): { signal: AbortSignal } {
  return { signal: AbortSignal.any([signal]) };
}

/** For who keeps what he was given. */
async function* copied(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

/** Writes each chunk before it asks for the next one: by then that has come. */
function into(handle: FileHandle, start: number): (chunks: AsyncIterable<Buffer>) => Promise<void> {
  return async (chunks) => {
    let position = start;
    for await (const chunk of chunks) {
      await writeAll(handle, chunk, position);
      position += chunk.length;
    }
  };
}

async function writeAll(handle: FileHandle, content: Buffer, position: number): Promise<void> {
  for (let written = 0; written < content.length;) {
    written += (await handle.write(content, written, content.length - written, position + written)).bytesWritten;
  }
}

interface Digest {
  update(chunk: Buffer): void;
  value(): string;
}

/** Undefined where the ETag is no digest of the whole, and so there is nothing to compare with. */
function createDigest(etag: string): Digest | undefined {
  if (digestIn(etag) === undefined) return undefined;
  const hash = createHash('md5');
  return { update: (chunk) => void hash.update(chunk), value: () => hash.digest('hex') };
}

function digesting(digest: Digest | undefined): (chunks: AsyncIterable<Buffer>) => AsyncIterable<Buffer> {
  return async function* (chunks) {
    for await (const chunk of chunks) {
      digest?.update(chunk);
      yield chunk;
    }
  };
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
