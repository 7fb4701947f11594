import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import mime from 'mime-types';
import { anyOf } from '../../lib/signals.ts';
import type { Address } from './entry.ts';
import { createReading } from './digests.ts';
import { isContentOf } from './etag.ts';
import { watchGrowth, type Witness } from './growth.ts';
import type { LedgerRecord } from './ledger.ts';
import { type Meter, metered } from './meter.ts';
import {
  type Basis,
  copiedOf,
  MEMORY_COMPRESSED,
  MEMORY_STREAMED,
  type MultipartUpload,
  sendMultipart,
  type SentObject,
} from './multipart.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { ObjectHeaders } from './object-headers.ts';
import type { ObjectStore } from './s3.ts';
import { type Answered, type Handle, type OpenFile, openFile, openSettled } from './open-file.ts';
import { isSame, looksSame, observe, type Observed } from './scan.ts';

/** A file on its way into the store. */
export interface Publication {
  store: ObjectStore;
  policy: RetryPolicy;
  /** Absolute path of the file itself, asked for anew each time it is needed: it may be moved meanwhile. */
  readonly source: string;
  /** What waits for each answer of the disk that it is on. */
  answered: Answered;
  /** From whose end the content type is guessed. */
  name: string;
  address: Address;
  compression: boolean;
  /** Is told of the file's own bytes as they go out. */
  onMoved: Meter;
  /** A part of it has arrived. */
  onArrived: () => void;
  signal: AbortSignal;
}

/**
 * `published`: the object has so many `bytes`, of which `copied` were in the bucket before and the rest went over the wire, and
 * this `etag`. `unchanged`:
 * the object has this content already. `changed`: nothing was published, because the file did not hold still.
 */
export type Outcome =
  | { kind: 'published'; state: Observed; bytes: number; copied?: number; etag: string; witness?: Witness }
  | { kind: 'unchanged'; state: Observed }
  | { kind: 'changed' | 'gone' };

/** Up to so many bytes a file is sent from memory in one request; a larger one in parts of at least that size. */
export const SMALL_FILE_BYTES = 8 * 2 ** 20;

/** MiB of memory that the publication of a file of `size` bytes takes, at least 1. */
export function memoryOf(size: number, compression: boolean): number {
  if (size > SMALL_FILE_BYTES) return compression ? MEMORY_COMPRESSED : MEMORY_STREAMED;
  return Math.max(1, Math.ceil((compression ? 2 * size : size) / 2 ** 20));
}

/**
 * Publishes the file as it is now, whole or not at all: the object appears only if size, mtime and inode were the same
 * before and after reading. What `witness` saw is copied inside the store if it still is the beginning. With `planned`, publishes
 * that state of the file and no other: whether a later one is whole, and what must be in the bucket before it, nobody has looked at.
 * Rejects when the store refused after all retries, or when aborted.
 */
export async function publishWhole(
  publication: Publication,
  { witness, planned }: { witness?: Witness | undefined; planned?: Observed | undefined } = {},
): Promise<Outcome> {
  return withFile(publication, async (handle, before) => {
    if (planned !== undefined && !isSame(before, planned)) return { kind: 'changed' };
    const basis = await basisIn(handle, before, witness, publication.signal);
    const unchanged = async () => {
      const after = await publication.answered(observe(publication.source));
      return after !== undefined && isSame(after, before);
    };
    const sent = await send({ ...publication, basis }, handle, before.size, unchanged);
    return sent === undefined ? { kind: 'changed' } : { kind: 'published', state: before, ...sent };
  });
}

/**
 * Publishes what an open file held when it was opened, if it holds it still, and did so until it was read. Of what has its name by then
 * nothing is said.
 */
export async function publishHeld(publication: Publication, { handle, state }: OpenFile): Promise<Outcome> {
  publication.signal.throwIfAborted();
  // To lose its name changes its ctime.
  const unchanged = async () => looksSame(state, await handle.stat());
  if (!(await unchanged())) return { kind: 'changed' };
  const sent = await send(publication, handle, state.size, unchanged);
  return sent === undefined ? { kind: 'changed' } : { kind: 'published', state, ...sent };
}

/**
 * Looks whether a file whose content, name or mode changed without a trace in size and mtime still is what `known` says
 * the bucket has. Resolves to undefined when it is not, or when that cannot be told.
 */
export async function confirm(publication: Publication, known: LedgerRecord): Promise<Outcome | undefined> {
  const { source, answered, signal } = publication;
  const { etag } = known;
  if (etag === undefined) return undefined;
  const outcome = await withFile(publication, async (handle, before) => {
    const isKept = looksSame(before, known.state) && (await isContentOf(handle, before.size, etag, signal));
    const after = await answered(observe(source));
    return isKept && after !== undefined && isSame(after, before)
      ? { kind: 'unchanged', state: before }
      : { kind: 'changed' };
  });
  return outcome.kind === 'unchanged' ? outcome : undefined;
}

/** Whether the file begins with all that the bucket has of it. False also when that cannot be told. */
export async function hasOnlyGrown(
  publication: Pick<Publication, 'source' | 'answered' | 'signal'>,
  known: LedgerRecord,
): Promise<boolean> {
  const { etag, state } = known;
  if (etag === undefined) return false;
  const opened = await openFile(publication.source, publication.answered);
  if (opened === undefined) return false;
  try {
    return await isContentOf(opened.handle, state.size, etag, publication.signal);
  } finally {
    await opened.handle.close();
  }
}

/**
 * Publishes what a growing file holds, as a prefix of what it will hold. That it only grows is not believed but checked: what
 * `witness` saw must still be there, and what is published must read the same before it is sent and after. How much is published is
 * decided late, when all that can be copied inside the store has been: meanwhile it grew.
 */
export async function publishPrefix(publication: Publication, witness: Witness): Promise<Outcome> {
  return withFile(publication, async (handle, opened) => {
    if (opened.size < witness.length) return { kind: 'changed' };
    const { length, etag } = witness;
    const basis = etag === undefined || opened.size <= SMALL_FILE_BYTES ? undefined : { length, etag };
    const over = new AbortController();
    const signal = anyOf(publication.signal, over.signal);
    const copied = basis === undefined ? 0 : copiedOf(basis, opened.size);
    const growth = watchGrowth({ handle, opened, witness, copied, signal });
    let digest: string | undefined;
    const unchanged = async () => {
      digest = await growth.digest();
      return digest !== undefined && isLongerOf(opened, await publication.answered(observe(publication.source)));
    };
    try {
      if (basis === undefined && (await growth.bind()) === undefined) return { kind: 'changed' };
      const grown = async () => (await growth.bind())?.size;
      const sent = await send({ ...publication, basis, grown }, handle, opened.size, unchanged);
      const state = await growth.bind();
      if (sent === undefined || state === undefined || digest === undefined) return { kind: 'changed' };
      // Nothing of a compressed object can be copied: its bytes are not the file's.
      const seen = { length: state.size, digest, ...(publication.compression ? {} : { etag: sent.etag }) };
      return { kind: 'published', state, ...sent, witness: seen };
    } finally {
      over.abort();
      await growth.settled();
    }
  });
}

/** Longer or as long, and the same file. */
function isLongerOf(before: Observed, after: Observed | undefined): boolean {
  return after?.ino === before.ino && after.size >= before.size;
}

/** Looks at what a growing file holds now, to see later that it only grew. Undefined when it is gone or shrinks. */
export async function takeWitness({
  source,
  answered,
  signal,
}: Pick<Publication, 'source' | 'answered' | 'signal'>): Promise<Witness | undefined> {
  const opened = await openFile(source, answered);
  if (opened === undefined) return undefined;
  const { handle, state } = opened;
  const length = state.size;
  try {
    const digest = await createReading(handle, signal).upTo(length);
    return digest === undefined ? undefined : { length, digest };
  } finally {
    await handle.close();
  }
}

async function withFile(
  { source, answered, signal }: Publication,
  publish: (handle: Handle, before: Observed) => Promise<Outcome>,
): Promise<Outcome> {
  signal.throwIfAborted();
  const opened = await openSettled(source, answered, signal);
  if (opened === undefined) return { kind: 'gone' };
  const { handle, state } = opened;
  try {
    return await publish(handle, state);
  } finally {
    await handle.close();
  }
}

/** What of the file need not be sent, because the bucket has it. */
async function basisIn(
  handle: Handle,
  { size }: Observed,
  witness: Witness | undefined,
  signal: AbortSignal,
): Promise<Basis | undefined> {
  if (witness?.etag === undefined || size < witness.length || size <= SMALL_FILE_BYTES) return undefined;
  const digest = await createReading(handle, signal).upTo(witness.length);
  return digest === witness.digest ? { length: witness.length, etag: witness.etag } : undefined;
}

/** Sends the first `size` bytes, or as many as it has `grown` to, if `unchanged` still says yes after they were read. */
async function send(
  publication: Publication & Pick<MultipartUpload, 'basis' | 'grown'>,
  handle: Handle,
  size: number,
  unchanged: () => Promise<boolean>,
): Promise<SentObject | undefined> {
  const { store, policy, address, name, compression, onMoved, signal } = publication;
  const contentType = mime.lookup(name) || 'application/octet-stream';
  const headers: ObjectHeaders = { contentType, ...(compression ? { contentEncoding: 'gzip' } : {}) };
  if (size > SMALL_FILE_BYTES) {
    const upload = { ...publication, headers, handle, size, unchanged };
    return metered(onMoved, (meter) => sendMultipart({ ...upload, onMoved: meter }));
  }
  const content = await readStart(handle, size);
  if (content === undefined || !(await unchanged())) return undefined;
  const body = compression ? await promisify(gzip)(content) : content;
  const what = `upload ${address.key}`;
  const etag = await withRetries(policy, what, signal, () => store.put(address, body, headers, signal));
  onMoved(size);
  return { bytes: body.length, copied: 0, etag };
}

/** The first `size` bytes, or undefined when there are fewer by now. */
async function readStart(handle: Handle, size: number): Promise<Buffer | undefined> {
  const content = Buffer.allocUnsafe(size);
  for (let filled = 0; filled < size;) {
    const { bytesRead } = await handle.read(content, filled, size - filled, filled);
    if (bytesRead === 0) return undefined;
    filled += bytesRead;
  }
  return content;
}
