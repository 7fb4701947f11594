import { createHash } from 'node:crypto';
import type { Handle } from './open-file.ts';
import { partSizeOf } from './part-size.ts';

/** The ETag that nearly every store gives to an object made of parts with these ETags. */
export function etagOfParts(etags: readonly string[]): string {
  const digests = etags.map((etag) => Buffer.from(bare(etag), 'hex'));
  return `${md5(Buffer.concat(digests)).toString('hex')}-${etags.length}`;
}

export function isSameEtag(a: string, b: string): boolean {
  return bare(a) === bare(b);
}

/** Whether both are made in the same way, so that two that differ are of different contents. */
export function looksComparable(a: string, b: string): boolean {
  return kindOf(a) === kindOf(b);
}

function kindOf(etag: string): string {
  return bare(etag).replaceAll(/[0-9a-f]/g, 'x');
}

/** The MD5 digest in an ETag that looks like one of a whole object; undefined in any other. */
export function digestIn(etag: string): string | undefined {
  return /^[0-9a-f]{32}$/.test(bare(etag)) ? bare(etag) : undefined;
}

const CHUNK_BYTES = 2 ** 20;

/**
 * Whether the file's first `length` bytes are the content of the object with this ETag. False also where that cannot be
 * told: stores may make ETags of anything, but most make them of MD5 digests, of the whole or of each part.
 */
export async function isContentOf(
  handle: Pick<Handle, 'read'>,
  length: number,
  etag: string,
  signal: AbortSignal,
): Promise<boolean> {
  const [, digest, count] = /^([0-9a-f]{32})(?:-(\d+))?$/.exec(bare(etag)) ?? [];
  if (digest === undefined) return false;
  const partSize = count === undefined ? Math.max(length, 1) : partSizeOf(length);
  if (count !== undefined && Math.ceil(length / partSize) !== Number(count)) return false;
  const digests: string[] = [];
  for (let start = 0; start === 0 || start < length; start += partSize) {
    const part = await digestOf(handle, start, Math.min(start + partSize, length), signal);
    if (part === undefined) return false;
    digests.push(part);
  }
  return isSameEtag(etag, count === undefined ? (digests[0] ?? '') : etagOfParts(digests));
}

async function digestOf(
  handle: Pick<Handle, 'read'>,
  start: number,
  end: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const hash = createHash('md5');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let position = start; position < end;) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(chunk, 0, Math.min(CHUNK_BYTES, end - position), position);
    if (bytesRead === 0) return undefined;
    hash.update(chunk.subarray(0, bytesRead));
    position += bytesRead;
  }
  return hash.digest('hex');
}

function md5(content: Buffer): Buffer {
  return createHash('md5').update(content).digest();
}

function bare(etag: string): string {
  return etag.replace(/^W\//, '').replaceAll('"', '').toLowerCase();
}
