import { messageOf } from './errors.ts';
import { outside } from './outside.ts';

/** Something that works by itself between `start` and `stop`. */
export interface Service {
  start(): void;
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>;
}

export interface Periodic extends Service {
  /** Runs as soon as possible: now, or once more after the present run. */
  poke(): void;
}

/**
 * Calls `runOnce` every `everyMs` milliseconds, and at once when poked; never two at a time. An error is told to `onError` and
 * the next turn tries again.
 */
export function periodic(options: {
  name: string;
  everyMs: number;
  runOnce: () => Promise<unknown>;
  onError: (error: Error) => void;
}): Periodic {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let poked = false;
  let stopped = true;

  const turn = async (): Promise<void> => {
    do {
      poked = false;
      try {
        await options.runOnce();
      } catch (error) {
        options.onError(new Error(`${options.name}: ${messageOf(error)}`, { cause: error }));
      }
    } while (isPoked() && !stopped);
    running = undefined;
    if (!stopped) timer = setTimeout(run, options.everyMs);
  };
  // Behind a function, because the type checker can't know that `poke` may run while `runOnce` is awaited.
  const isPoked = (): boolean => poked;
  const run = (): void => {
    clearTimeout(timer);
    // Whoever pokes it is not who it works for.
    running = outside(turn);
  };

  return {
    start() {
      stopped = false;
      run();
    },
    poke() {
      poked = true;
      if (!stopped && running === undefined) run();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
