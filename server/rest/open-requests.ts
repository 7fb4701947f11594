import type { Viewer } from '../../core/accounts/keys.ts';
import { RateLimitedError } from '../../core/errors.ts';
import { createPlaces } from '../../lib/places.ts';

/** So many requests of one key may wait or stream at once, at one server. */
export const MOST_OPEN_REQUESTS = 100;

/** Counts the requests that stay open, by the key that they came with. */
export interface OpenRequests {
  /**
   * A place for one. Never to be forgotten: whoever takes it gives it back.
   * @returns gives it back
   * @throws RateLimitedError when the key has too many already
   */
  take(viewer: Viewer): () => void;
}

export function createOpenRequests(): OpenRequests {
  const places = createPlaces(MOST_OPEN_REQUESTS);
  return {
    take({ keyId }) {
      const giveBack = places.take(keyId);
      if (giveBack !== undefined) return giveBack;
      throw new RateLimitedError(
        `At most ${MOST_OPEN_REQUESTS} requests of one key may wait or stream at once, and so many do: ` +
          'let one of them end, or ask without waiting',
        1,
      );
    },
  };
}
