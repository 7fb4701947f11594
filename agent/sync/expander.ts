import { finished } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { BLOCK_BYTES } from './arrival.ts';

/** Expands gzip, piece by piece; computes in the pool of threads. */
export interface Expander {
  /** Resolves when the piece may be used anew. Rejects when it is no gzip, or with what `write` has thrown. */
  take(bytes: Buffer): Promise<void>;
  /** Resolves when all was written. Rejects also when something is missing at the end. */
  end(): Promise<void>;
  destroy(): void;
}

export function createExpander(write: (bytes: Buffer) => void): Expander {
  const gunzip = createGunzip({ chunkSize: BLOCK_BYTES });
  const over = finished(gunzip);
  over.catch(() => undefined);
  gunzip.on('data', (bytes: Buffer) => {
    try {
      write(bytes);
    } catch (error) {
      gunzip.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  return {
    async take(bytes) {
      const written = new Promise<void>((resolve, reject) => {
        gunzip.write(bytes, (error) => (error === null || error === undefined ? resolve() : reject(error)));
      });
      // The reason is the stream's own; a write that it interrupts says only that it was interrupted.
      await Promise.race([over, written.catch(() => over)]);
    },
    end() {
      gunzip.end();
      return over;
    },
    destroy: () => void gunzip.destroy(),
  };
}
