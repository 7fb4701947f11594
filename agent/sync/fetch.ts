import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { messageOf } from '../../lib/errors.ts';
import type { Address } from './entry.ts';
import { inParallel, type Task } from './parallel.ts';
import { GaveUp, type RetryPolicy, withRetries } from './retry.ts';
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
  signal: AbortSignal;
}

export interface FetchedFile {
  path: string;
  state: Observed;
  bytes: number;
  /** The object's ETag, unless it was expanded. */
  etag?: string;
}

/** A larger object is fetched in ranges of that many bytes. Memory: what the sockets have read ahead. */
const RANGE_BYTES = 16 * 2 ** 20;
const RANGES_AT_ONCE = 4;

/** Writes the object beside its place and renames it when its length is right. Rejects after all retries. */
export async function fetchFile(request: FetchRequest): Promise<FetchedFile> {
  const { policy, address, signal } = request;
  return withRetries(policy, `download ${address.key}`, signal, async () => {
    const temporary = join(dirname(request.path), TEMPORARY_PREFIX + randomUUID());
    try {
      const { path, ...fetched } = await fetchTo(temporary, request);
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

async function fetchTo(temporary: string, request: FetchRequest): Promise<Omit<FetchedFile, 'state'>> {
  const { store, address, path, expandedPath, size, signal } = request;
  const handle = await open(temporary, 'wx');
  try {
    const ranged = size > RANGE_BYTES && expandedPath === undefined;
    const first = await store.get(address, ranged ? { range: [0, RANGE_BYTES - 1] } : {}, signal);
    const expands = expandedPath !== undefined && first.contentEncoding === 'gzip';
    await write(handle, first, { position: 0, expands, signal });
    await fetchRest(handle, first, request);
    // A command that looks for its latest checkpoint by time finds it, whatever the order of the downloads was.
    if (first.lastModified !== undefined) await handle.utimes(first.lastModified, first.lastModified);
    const bytes = first.totalSize;
    return expands ? { path: expandedPath, bytes } : { path, bytes, etag: first.etag };
  } finally {
    await handle.close();
  }
}

async function fetchRest(handle: FileHandle, first: FetchedObject, request: FetchRequest): Promise<void> {
  const starts: number[] = [];
  for (let start = first.size; start < first.totalSize; start += RANGE_BYTES) starts.push(start);
  const tasks = starts.map((start): Task<void> => {
    const range: [number, number] = [start, Math.min(start + RANGE_BYTES, first.totalSize) - 1];
    return (signal) => fetchRange(handle, range, first.etag, { ...request, signal });
  });
  await inParallel(tasks, RANGES_AT_ONCE, request.signal);
}

async function fetchRange(
  handle: FileHandle,
  range: [number, number],
  etag: string,
  { store, policy, address, signal }: FetchRequest,
): Promise<void> {
  try {
    await withRetries(policy, `download ${address.key} from byte ${range[0]}`, signal, async () => {
      const part = await store.get(address, { range, etag }, signal);
      const expected = range[1] - range[0] + 1;
      if (part.size !== expected) {
        part.body.destroy();
        throw new Error(`the store sent ${part.size} bytes of a range of ${expected}`);
      }
      await write(handle, part, { position: range[0], expands: false, signal });
    });
  } catch (error) {
    if (error instanceof Error && error.name === 'PreconditionFailed') {
      throw new Error('the object was replaced during the download', { cause: error });
    }
    throw new GaveUp(messageOf(error), { cause: error });
  }
}

interface Placement {
  position: number;
  expands: boolean;
  signal: AbortSignal;
}

async function write(
  handle: FileHandle,
  object: FetchedObject,
  { position, expands, signal }: Placement,
): Promise<void> {
  let received = 0;
  const count = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      received += chunk.length;
      yield chunk;
    }
  };
  const save = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    let end = position;
    for await (const chunk of chunks) {
      for (let written = 0; written < chunk.length;) {
        const { bytesWritten } = await handle.write(chunk, written, chunk.length - written, end);
        written += bytesWritten;
        end += bytesWritten;
      }
    }
  };
  const own = { signal: AbortSignal.any([signal]) };
  if (expands) await pipeline(object.body, count, createGunzip(), save, own);
  else await pipeline(object.body, count, save, own);
  if (received !== object.size) throw new Error(`the connection ended after ${received} of ${object.size} bytes`);
}
