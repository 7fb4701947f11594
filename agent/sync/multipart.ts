import { type Duplex, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { messageOf } from '../../lib/errors.ts';
import { whenAborted } from '../../lib/pause.ts';
import { complete, presentAt, UploadVanished } from './completion.ts';
import type { Address } from './entry.ts';
import { inParallel, type Task } from './parallel.ts';
import { type Meter, metered } from './meter.ts';
import type { Handle } from './open-file.ts';
import { partSizeOf } from './part-size.ts';
import { FileShrank, rangeOf, readAll } from './pieces.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { CopiedPart } from './s3-copy.ts';
import type { ObjectHeaders } from './object-headers.ts';
import type { ObjectStore } from './s3.ts';
import type { Body } from './sending.ts';

/** MiB of memory that one upload takes: two pieces of each part under way; */
export const MEMORY_STREAMED = 8;
/** or three parts of 8 MiB, and the one that grows, for a file of up to 80 GB. */
export const MEMORY_COMPRESSED = 32;

export interface MultipartUpload {
  store: ObjectStore;
  policy: RetryPolicy;
  address: Address;
  headers: ObjectHeaders;
  compression: boolean;
  handle: Pick<Handle, 'read'>;
  /** How many bytes of the file to send. */
  size: number;
  /** Is told of the file's own bytes as they go out. */
  onMoved: Meter;
  /** A part of it has arrived. */
  onArrived: () => void;
  /** What the bucket has already: need not be sent again where the store can copy it. */
  basis?: Basis | undefined;
  /**
   * Asked once what the bucket has is copied: how many bytes to send in all, not less than `size`, in parts of the same size. Undefined
   * when there is nothing to publish after all.
   */
  grown?: (() => Promise<number | undefined>) | undefined;
  /** Asked after the last byte was read and before the object is made. */
  unchanged(): Promise<boolean>;
  signal: AbortSignal;
}

/** Parts of one file on their way at once. They are streamed from disk, or held in memory when compressed. */
const PARTS_AT_ONCE = 8;
/** Compressing is slower than sending, and each of these takes the memory of a whole part. */
const COMPRESSED_PARTS_AT_ONCE = 2;
/** Milliseconds that the clean-up of an unfinished upload may take; its parts are billed until they are gone. */
const CLEAN_UP_MS = 5_000;

/**
 * Sends the file in parts and makes the object of them only if `unchanged` says so; otherwise, and on any failure, the
 * parts are thrown away. Resolves to undefined when the file changed.
 */
export async function sendMultipart(upload: MultipartUpload): Promise<SentObject | undefined> {
  try {
    return await metered(upload.onMoved, (onMoved) => sendOnce({ ...upload, onMoved }));
  } catch (error) {
    if (!hasVanished(error)) throw error;
    upload.policy.log.warn({ ...upload.address, reason: error.message }, 'a file is sent once more');
    return sendOnce(upload);
  }
}

/** Somebody has discarded the upload while its parts were sent, as the clean-up of a job with the same prefix may, or writes to the object himself. */
function hasVanished(error: unknown): error is Error {
  return error instanceof UploadVanished || (error instanceof Error && error.name === 'NoSuchUpload');
}

/** The file's first `length` bytes are the object that has this ETag. */
export interface Basis {
  length: number;
  etag: string;
}

/** The object's bytes, how many of them the store had already, and the ETag that came back. */
export interface SentObject {
  bytes: number;
  copied: number;
  etag: string;
}

async function sendOnce(upload: MultipartUpload): Promise<SentObject | undefined> {
  // While the lease is proven, and beside what takes longer.
  const present = presentAt(upload);
  const uploadId = await begin(upload);
  try {
    const sent = upload.compression ? await sendCompressed(upload, uploadId) : await sendRanges(upload, uploadId);
    if (sent !== undefined && (await upload.unchanged())) {
      const etag = await complete(upload, { ...sent, uploadId, before: await present });
      return { bytes: sent.bytes, copied: sent.copied, etag };
    }
  } catch (error) {
    await discard(upload, uploadId);
    if (error instanceof FileShrank) return undefined;
    throw error;
  }
  await discard(upload, uploadId);
  return undefined;
}

/** Does not abort the request itself: the store may have begun the upload, and then its id is needed to discard it. */
async function begin(upload: MultipartUpload): Promise<string> {
  const { store, policy, address, headers, signal } = upload;
  const unheard = new AbortController();
  const begun = withRetries(policy, `begin ${address.key}`, signal, () =>
    store.createMultipart(address, headers, unheard.signal),
  );
  const settled = new AbortController();
  try {
    await Promise.race([begun, whenAborted(signal, settled.signal)]);
  } finally {
    settled.abort();
  }
  if (!signal.aborted) return begun;
  begun.then((uploadId) => discard(upload, uploadId)).catch(() => undefined);
  setTimeout(() => unheard.abort(), CLEAN_UP_MS).unref();
  throw signal.reason;
}

async function discard({ store, policy, address }: MultipartUpload, uploadId: string): Promise<void> {
  try {
    await store.abortMultipart(address, uploadId, AbortSignal.timeout(CLEAN_UP_MS));
  } catch (error) {
    policy.log.warn({ ...address, uploadId, reason: messageOf(error) }, 'an unfinished upload could not be discarded');
  }
}

interface Sent {
  etags: string[];
  bytes: number;
  copied: number;
}

/** First what can be copied, and then the rest: of a file that grows, that is more by then. */
async function sendRanges(upload: MultipartUpload, uploadId: string): Promise<Sent | undefined> {
  const { basis, grown, signal } = upload;
  const partSize = partSizeOf(upload.size);
  let copied = 0;
  const range = (index: number, size: number): FileRange => {
    const start = index * partSize;
    return { uploadId, number: index + 1, start, length: Math.min(partSize, size - start) };
  };
  const copies = Array.from({ length: basis === undefined ? 0 : copiedOf(basis, upload.size) / partSize }, (_, index) =>
    copyOrSend(upload, range(index, upload.size), basis?.etag ?? '', (bytes) => (copied += bytes)),
  );
  const first = await inParallel(copies, PARTS_AT_ONCE, signal);
  const size = grown === undefined ? upload.size : await grown();
  if (size === undefined) return undefined;
  const left = Array.from({ length: Math.ceil(size / partSize) - copies.length }, (_, index) =>
    sendRange(upload, range(copies.length + index, size)),
  );
  return { etags: [...first, ...(await inParallel(left, PARTS_AT_ONCE, signal))], bytes: size, copied };
}

/** Bytes at the beginning of a file of `size` bytes that are copied: whole parts of what the bucket has. */
export function copiedOf(basis: Basis, size: number): number {
  const partSize = partSizeOf(size);
  return Math.floor(basis.length / partSize) * partSize;
}

/** A copy spares the wire and no more: what cannot be copied, for whatever reason, is sent. */
function copyOrSend(
  upload: MultipartUpload,
  part: FileRange,
  etag: string,
  onCopied: (bytes: number) => void,
): Task<string> {
  const { store, policy, address, onMoved, onArrived } = upload;
  const { uploadId, number, start, length } = part;
  const copy: CopiedPart = { uploadId, number, range: [start, start + length - 1], etag };
  const send = sendRange(upload, part);
  return async (signal) => {
    try {
      const made = await store.copyPart(address, copy, signal);
      onCopied(length);
      onMoved(length);
      onArrived();
      return made;
    } catch (error) {
      signal.throwIfAborted();
      policy.log.debug({ ...address, reason: messageOf(error) }, 'a part could not be copied, so it is sent');
      return send(signal);
    }
  };
}

async function sendCompressed(upload: MultipartUpload, uploadId: string): Promise<Sent> {
  // Incompressible data grows a little.
  const partSize = partSizeOf(upload.size * 1.01);
  let bytes = 0;
  async function* parts(): AsyncGenerator<Task<string>> {
    let number = 0;
    for await (const part of partsOf(compressed(upload), partSize)) {
      number += 1;
      bytes += part.length;
      yield sendPart(upload, { uploadId, number, body: { content: part } });
    }
  }
  return { etags: await inParallel(parts(), COMPRESSED_PARTS_AT_ONCE, upload.signal), bytes, copied: 0 };
}

interface PartSource {
  uploadId: string;
  number: number;
  body: Body;
}

interface FileRange {
  uploadId: string;
  number: number;
  start: number;
  length: number;
}

/** What a try moves counts only when it succeeds. */
function sendRange(upload: MultipartUpload, { start, length, ...place }: FileRange): Task<string> {
  const { policy, address, onMoved, onArrived, handle, store } = upload;
  return async (signal) => {
    const etag = await withRetries(policy, `upload part ${place.number} of ${address.key}`, signal, () =>
      metered(onMoved, (meter) => {
        const produce = rangeOf(handle, start, length, meter);
        return store.uploadPart(address, { ...place, body: { size: length, produce } }, signal);
      }),
    );
    onArrived();
    return etag;
  };
}

function sendPart({ store, policy, address, onArrived }: MultipartUpload, part: PartSource): Task<string> {
  return async (signal) => {
    const what = `upload part ${part.number} of ${address.key}`;
    const etag = await withRetries(policy, what, signal, () => store.uploadPart(address, part, signal));
    onArrived();
    return etag;
  };
}

function compressed({ handle, size, onMoved }: MultipartUpload): AsyncIterable<Buffer> {
  const gzip: Duplex & AsyncIterable<Buffer> = createGzip({ chunkSize: 2 ** 18 });
  return Readable.from(readAll(handle, size, onMoved), { objectMode: false }).compose<typeof gzip>(gzip);
}

async function* partsOf(chunks: AsyncIterable<Buffer>, partSize: number): AsyncGenerator<Buffer> {
  let gathered: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    gathered.push(chunk);
    length += chunk.length;
    if (length < partSize) continue;
    const whole = Buffer.concat(gathered);
    yield whole.subarray(0, partSize);
    gathered = [Buffer.from(whole.subarray(partSize))];
    length = whole.length - partSize;
  }
  if (length > 0) yield Buffer.concat(gathered);
}
