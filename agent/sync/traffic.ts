import { pause } from '../../lib/pause.ts';
import { createSlots } from '../../lib/slots.ts';
import { type Pace, paceAfter, paceAfterRefusal, START } from './pace.ts';

export interface TrafficOptions {
  /** Megabits (10^6 bits) a second that all uploads together may take; unlimited when absent. */
  maxUploadMbps?: number;
}

/**
 * All that an agent has on its way to and from the storage, whatever job it belongs to: how many requests at once, and how quickly
 * they may send. Requests that move no data are not counted.
 */
export interface Traffic {
  /** Waits for a place for one request. Rejects with the reason of a signal that is aborted before. */
  enter(signal: AbortSignal): Promise<Place>;
  /** Waits until so many bytes more may be sent; absent where uploads are not limited. */
  allow?: (bytes: number, signal: AbortSignal) => Promise<void>;
}

export interface Place {
  /** The request is over, and has moved so many bytes. Again is fine. */
  leave(bytes: number): void;
  /** The store wants fewer requests. */
  refused(): void;
}

/** Memory: up to 1 MiB of a large file for each, or the whole of a small one. */
export const MOST_AT_ONCE = 64;
/** Long enough for a few requests to end. */
const WINDOW_MS = 500;
/** What a request costs besides its bytes, as bytes: otherwise small files would seem to move nothing. */
const REQUEST_COSTS = 32 * 2 ** 10;

export function createTraffic({ maxUploadMbps }: TrafficOptions = {}): Traffic {
  const bytesPerMs = maxUploadMbps === undefined ? undefined : (maxUploadMbps * 1e6) / 8 / 1000;
  const most = bytesPerMs === undefined ? MOST_AT_ONCE : mostWithin(bytesPerMs);
  let pace: Pace = { ...START, limit: Math.min(START.limit, most) };
  const slots = createSlots(pace.limit);
  let window = { since: performance.now(), moved: 0, wasFull: false };

  const setPace = (next: Pace) => {
    if (next.limit !== pace.limit) slots.setLimit(next.limit);
    pace = next;
  };
  const note = (bytes: number) => {
    window.moved += bytes + REQUEST_COSTS;
    const now = performance.now();
    const millis = now - window.since;
    if (millis < WINDOW_MS) return;
    setPace(paceAfter(pace, { rate: window.moved / millis, wasFull: window.wasFull }, now, most));
    window = { since: now, moved: 0, wasFull: slots.isFull() };
  };
  return {
    ...(bytesPerMs === undefined ? {} : { allow: createBucket(bytesPerMs) }),
    async enter(signal) {
      window.wasFull ||= slots.isFull();
      const giveBack = await slots.take(signal);
      let isOver = false;
      return {
        leave(bytes) {
          if (isOver) return;
          isOver = true;
          giveBack();
          note(bytes);
        },
        refused: () => setPace(paceAfterRefusal(pace, performance.now())),
      };
    },
  };
}

/** Bytes of one piece under a limit: small, so that all requests get on evenly. */
export const PIECE_UNDER_LIMIT = 64 * 2 ** 10;
/** Stores end a request that sends nothing for some 20 s. */
const LONGEST_SILENCE_MS = 5_000;

function mostWithin(bytesPerMs: number): number {
  const pieces = Math.floor((bytesPerMs * LONGEST_SILENCE_MS) / PIECE_UNDER_LIMIT);
  return Math.max(1, Math.min(MOST_AT_ONCE, pieces));
}

/** What was not used while nothing was sent may be used up to so many milliseconds later. */
const BURST_MS = 100;

function createBucket(bytesPerMs: number): NonNullable<Traffic['allow']> {
  let paidUntil = 0;
  return async (bytes, signal) => {
    const now = performance.now();
    paidUntil = Math.max(paidUntil, now - BURST_MS) + bytes / bytesPerMs;
    await pause(paidUntil - now, signal);
    signal.throwIfAborted();
  };
}
