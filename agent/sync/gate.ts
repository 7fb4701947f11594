import { whenAborted } from '../../lib/pause.ts';
import { anyOf } from '../../lib/signals.ts';

/** Writing to storage needs a proof of the lease; the gate is closed while there is none. */
export interface Gate {
  /** Runs `work` while the gate is open. Work that a closing gate aborted runs again, from the start, once it is open. */
  pass<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Aborts the work under way; resolves when none is left. */
  close(): Promise<void>;
  open(): void;
}

export function createGate(): Gate {
  let closing = new AbortController();
  let opening = Promise.withResolvers<undefined>();
  const underWay = new Set<Promise<unknown>>();

  return {
    async pass(signal, work) {
      for (;;) {
        if (closing.signal.aborted) await openOrAborted(opening.promise, signal);
        signal.throwIfAborted();
        const present = closing.signal;
        const run = work(anyOf(signal, present));
        underWay.add(run);
        try {
          return await run;
        } catch (error) {
          if (signal.aborted || !present.aborted) throw error;
        } finally {
          underWay.delete(run);
        }
      }
    },
    async close() {
      closing.abort(new Error('storage must not be written to now'));
      await Promise.allSettled(underWay);
    },
    open() {
      if (!closing.signal.aborted) return;
      closing = new AbortController();
      opening.resolve(undefined);
      opening = Promise.withResolvers();
    },
  };
}

async function openOrAborted(opened: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const settled = new AbortController();
  await Promise.race([opened, whenAborted(signal, settled.signal)]);
  // As in `untilAborted`: an error of its own would cost more than the passing.
  settled.abort(null);
}
