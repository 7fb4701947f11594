import type { FileHandle } from 'node:fs/promises';
import { type Duplex, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { messageOf } from '../../lib/errors.ts';
import { whenAborted } from '../../lib/pause.ts';
import type { Address } from './entry.ts';
import { etagOfParts, isSameEtag } from './etag.ts';
import { inParallel, type Task } from './parallel.ts';
import { type Meter, metered } from './meter.ts';
import { partSizeOf } from './part-size.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { ObjectHeaders, ObjectStore } from './s3.ts';

export interface MultipartUpload {
  store: ObjectStore;
  policy: RetryPolicy;
  address: Address;
  headers: ObjectHeaders;
  compression: boolean;
  handle: FileHandle;
  /** How many bytes of the file to send. */
  size: number;
  /** Is told of the file's own bytes as they go out. */
  onMoved: Meter;
  /** A part of it has arrived. */
  onArrived: () => void;
  /** Asked after the last byte was read and before the object is made. */
  unchanged(): Promise<boolean>;
  signal: AbortSignal;
}

/** Parts of one file on their way at once. They are streamed from disk, or held in memory when compressed. */
const PARTS_AT_ONCE = 4;
const READ_AHEAD = 2 ** 20;
/** Milliseconds that the clean-up of an unfinished upload may take; its parts are billed until they are gone. */
const CLEAN_UP_MS = 5_000;

/**
 * Sends the file in parts and makes the object of them only if `unchanged` says so; otherwise, and on any failure, the
 * parts are thrown away. Resolves to undefined when the file changed. Memory: 1 MiB per part under
 * way; compressed, five parts (40 MiB for a file of up to 80 GB).
 */
export async function sendMultipart(upload: MultipartUpload): Promise<SentObject | undefined> {
  try {
    return await metered(upload.onMoved, (onMoved) => sendOnce({ ...upload, onMoved }));
  } catch (error) {
    if (!(error instanceof UploadVanished)) throw error;
    upload.policy.log.warn({ ...upload.address, reason: error.message }, 'a file is sent once more');
    return sendOnce(upload);
  }
}

/** What went over the wire, and the ETag that came back. */
export interface SentObject {
  bytes: number;
  etag: string;
}

async function sendOnce(upload: MultipartUpload): Promise<SentObject | undefined> {
  const uploadId = await begin(upload);
  try {
    const sent = upload.compression ? await sendCompressed(upload, uploadId) : await sendRanges(upload, uploadId);
    if (await upload.unchanged()) return { bytes: sent.bytes, etag: await complete(upload, uploadId, sent) };
  } catch (error) {
    await discard(upload, uploadId);
    if (error instanceof FileShrank) return undefined;
    throw error;
  }
  await discard(upload, uploadId);
  return undefined;
}

class FileShrank extends Error {
  override name = 'FileShrank';
}

class UploadVanished extends Error {
  override name = 'UploadVanished';
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
}

/**
 * Where the answer to a completion is lost, the next try is told that there is no such upload: then the object itself says
 * whether it was made of these parts.
 */
function complete(
  { store, policy, address, signal }: MultipartUpload,
  uploadId: string,
  { etags, bytes }: Sent,
): Promise<string> {
  return withRetries(policy, `finish ${address.key}`, signal, async () => {
    try {
      return await store.completeMultipart(address, uploadId, etags, signal);
    } catch (error) {
      if (!(error instanceof Error && error.name === 'NoSuchUpload')) throw error;
      const object = await store.head(address, signal);
      if (object?.size === bytes && isSameEtag(object.etag, etagOfParts(etags))) return object.etag;
      throw new UploadVanished('the store has forgotten the upload, and there is no object of its parts', {
        cause: error,
      });
    }
  });
}

async function sendRanges(upload: MultipartUpload, uploadId: string): Promise<Sent> {
  const { handle, size } = upload;
  const partSize = partSizeOf(size);
  const parts = Array.from({ length: Math.ceil(size / partSize) }, (_, index) => {
    const start = index * partSize;
    const length = Math.min(partSize, size - start);
    const body = (onMoved: Meter) => rangeOf(handle, start, length, onMoved);
    return sendPart(upload, { uploadId, number: index + 1, size: length, body });
  });
  return { etags: await inParallel(parts, PARTS_AT_ONCE, upload.signal), bytes: size };
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
      yield sendPart(upload, { uploadId, number, size: part.length, body: () => part });
    }
  }
  return { etags: await inParallel(parts(), PARTS_AT_ONCE, upload.signal), bytes };
}

interface PartSource {
  uploadId: string;
  number: number;
  size: number;
  /** Makes the body anew for each try: a stream can be sent once, and what a try moves counts only when it succeeds. */
  body: (onMoved: Meter) => Readable | Buffer;
}

function sendPart(upload: MultipartUpload, part: PartSource): Task<string> {
  const { policy, address, onMoved, onArrived } = upload;
  return async (signal) => {
    const etag = await withRetries(policy, `upload part ${part.number} of ${address.key}`, signal, () =>
      metered(onMoved, (meter) => sendPartOnce(upload, part, meter, signal)),
    );
    onArrived();
    return etag;
  };
}

async function sendPartOnce(
  { store, address }: MultipartUpload,
  { body, ...place }: PartSource,
  onMoved: Meter,
  signal: AbortSignal,
): Promise<string> {
  const content = body(onMoved);
  if (!(content instanceof Readable)) return store.uploadPart(address, { ...place, body: content }, signal);
  // The SDK pipes the stream into the request and does not hear when it fails.
  const broken = new AbortController();
  content.once('error', (error) => broken.abort(error));
  try {
    return await store.uploadPart(address, { ...place, body: content }, AbortSignal.any([signal, broken.signal]));
  } catch (error) {
    throw broken.signal.aborted ? broken.signal.reason : error;
  } finally {
    content.destroy();
  }
}

/** Not the handle's own stream: that leaves a listener on the handle for each of thousands of parts. */
function rangeOf(handle: FileHandle, start: number, length: number, onMoved: Meter): Readable {
  return Readable.from(readRange(handle, start, length, onMoved), { objectMode: false, highWaterMark: READ_AHEAD });
}

async function* readRange(handle: FileHandle, start: number, length: number, onMoved: Meter): AsyncGenerator<Buffer> {
  const end = start + length;
  for (let position = start; position < end;) {
    const chunk = Buffer.allocUnsafe(Math.min(READ_AHEAD, end - position));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, position);
    if (bytesRead === 0) throw new FileShrank(`the file ended at byte ${position} although it had ${end} bytes before`);
    position += bytesRead;
    onMoved(bytesRead);
    yield chunk.subarray(0, bytesRead);
  }
}

function compressed({ handle, size, onMoved }: MultipartUpload): AsyncIterable<Buffer> {
  const gzip: Duplex & AsyncIterable<Buffer> = createGzip({ chunkSize: 2 ** 18 });
  return rangeOf(handle, 0, size, onMoved).compose<typeof gzip>(gzip);
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
