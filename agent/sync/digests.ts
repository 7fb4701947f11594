import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

/** Reads a file once from its beginning, and says what it has read by a digest. One call at a time. */
export interface Reading {
  /** SHA-256 of the first `length` bytes, not less than the last time; undefined where there are fewer by now. */
  upTo(length: number): Promise<string | undefined>;
}

const CHUNK_BYTES = 2 ** 20;

/** Rejects when `signal` is aborted. */
export function createReading(handle: FileHandle, signal: AbortSignal): Reading {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let position = 0;
  return {
    async upTo(length) {
      while (position < length) {
        signal.throwIfAborted();
        const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.length, length - position), position);
        if (bytesRead === 0) return undefined;
        hash.update(chunk.subarray(0, bytesRead));
        position += bytesRead;
      }
      return hash.copy().digest('hex');
    },
  };
}
