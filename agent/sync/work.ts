import { anyOf } from '../../lib/signals.ts';

/** What an attempt has under way. */
export interface Work {
  /** Runs `task` with a signal that also `stop` aborts. */
  run(signal: AbortSignal, task: (signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Resolves when nothing runs. */
  settled(): Promise<void>;
}

export function createWork(stopping: AbortSignal): Work {
  const running = new Set<Promise<void>>();
  return {
    async run(signal, task) {
      const own = anyOf(signal, stopping);
      own.throwIfAborted();
      const present = task(own);
      running.add(present);
      await present.finally(() => running.delete(present));
    },
    async settled() {
      await Promise.allSettled(running);
    },
  };
}
