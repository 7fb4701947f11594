import { RateLimitedError, UnavailableError } from '../core/errors.ts';
import { PayloadTooLargeError } from './json-body.ts';
import { exceeded, type Limits } from './limits.ts';

/** One body, or what has come of one message on a socket. */
export interface Reading {
  /**
   * Counts what has come of it, or, below 0, what was no part of it.
   * @throws RateLimitedError when its account would have too much under way
   * @throws UnavailableError when all accounts together would
   */
  add(bytes: number): void;
  /** It is over, and holds nothing. Another one may begin. */
  end(): void;
}

/** Bounds what bodies, and messages on sockets whose end has not come, hold together: whoever sends slowly holds them for long. */
export interface Bodies {
  readonly begin: (accountId: string) => Reading;
  /** As large as one may be, and what is said of a larger one. */
  readonly bound: { bytes: number; refusal: () => Error };
}

/** So much of each is not counted: whoever fills the bounds keeps nobody's heart from beating. */
const FREE_BYTES = 16_384;
/** A chunk of an agent's log comes before its next heartbeat, so it must pass as well. */
export const FREE_BYTES_OF_MESSAGE = 196_608;

/** @param freeBytes so much of each is not counted (16 KiB) */
export function createBodies(limits: Limits, freeBytes = FREE_BYTES): Bodies {
  const ofAccounts = new Map<string, number>();
  let ofAll = 0;

  const change = (accountId: string, by: number): void => {
    if (by === 0) return;
    ofAll += by;
    const now = (ofAccounts.get(accountId) ?? 0) + by;
    if (now > 0) ofAccounts.set(accountId, now);
    else ofAccounts.delete(accountId);
  };
  const demandRoom = (accountId: string, bytes: number): void => {
    if (bytes <= 0) return;
    if ((ofAccounts.get(accountId) ?? 0) + bytes > limits.KELPIE_MAX_ACCOUNT_BODIES_BYTES) {
      throw new RateLimitedError(exceeded(limits, 'KELPIE_MAX_ACCOUNT_BODIES_BYTES', 'more'), 1);
    }
    if (ofAll + bytes > limits.KELPIE_MAX_BODIES_BYTES) {
      throw new UnavailableError('The server is reading as much as it can hold (KELPIE_MAX_BODIES_BYTES): ask again');
    }
  };

  const countedOf = (size: number): number => Math.max(0, size - freeBytes);
  const resize: Resize = (accountId, from, to) => {
    const by = countedOf(to) - countedOf(from);
    demandRoom(accountId, by);
    change(accountId, by);
  };
  const bytes = limits.KELPIE_MAX_BODY_BYTES;
  return {
    bound: { bytes, refusal: () => new PayloadTooLargeError(bytes) },
    begin: (accountId) => new CountedReading(accountId, resize),
  };
}

/** @throws as `Reading.add` does, and then nothing has changed */
type Resize = (accountId: string, from: number, to: number) => void;

/** A class, as each of thousands of sockets has one. */
class CountedReading implements Reading {
  readonly #accountId: string;
  readonly #resize: Resize;
  #size = 0;

  constructor(accountId: string, resize: Resize) {
    this.#accountId = accountId;
    this.#resize = resize;
  }

  add(bytes: number): void {
    this.#become(Math.max(0, this.#size + bytes));
  }

  end(): void {
    this.#become(0);
  }

  #become(size: number): void {
    this.#resize(this.#accountId, this.#size, size);
    this.#size = size;
  }
}
