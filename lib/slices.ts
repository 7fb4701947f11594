import { setImmediate } from 'node:timers/promises';

/** So long may one slice keep everybody else waiting. */
const SLICE_MS = 10;

/**
 * Cuts long work into slices: what it gives is awaited before each step, returns at once while the slice lasts, and otherwise waits for the
 * next. In each turn of the event loop one slice of all such work is done, in the order in which it was asked for, so that neither one
 * piece of work nor many at once keep others from their turn for longer. Between two steps nothing else may be awaited.
 */
export function createSlices(): () => Promise<void> {
  let endsAt = -Infinity;
  return async () => {
    if (performance.now() < endsAt) return;
    await ownTurn();
    endsAt = performance.now() + SLICE_MS;
  };
}

let lastTurn: Promise<unknown> = Promise.resolve();

function ownTurn(): Promise<unknown> {
  lastTurn = lastTurn.then(() => setImmediate());
  return lastTurn;
}
