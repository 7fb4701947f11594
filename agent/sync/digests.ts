import { createHash } from 'node:crypto';
import type { Handle } from './open-file.ts';

/** Reads a file once from one place on, and says what it has read by a digest. One call at a time. */
export interface Reading {
  /** SHA-256 of what is before byte `end`, which is not less than the last time; undefined where there is less by now. */
  upTo(end: number): Promise<string | undefined>;
}

const CHUNK_BYTES = 2 ** 20;

/** `start`: its first byte. Rejects when `signal` is aborted. */
export function createReading(handle: Pick<Handle, 'read'>, signal: AbortSignal, start = 0): Reading {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let position = start;
  return {
    async upTo(end) {
      while (position < end) {
        signal.throwIfAborted();
        const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.length, end - position), position);
        if (bytesRead === 0) return undefined;
        hash.update(chunk.subarray(0, bytesRead));
        position += bytesRead;
      }
      return hash.copy().digest('hex');
    },
  };
}
