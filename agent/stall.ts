import { isAborted, pause } from '../lib/pause.ts';

const LOOK_EVERY_MS = 1000;

/** Whether a command still does something that can be seen. */
export interface Activity {
  /** It has said something, or reported progress. */
  seen(): void;
  /** Resolves when nothing was seen for `millis`, in which this process was awake. Stays open once `over` is aborted. */
  untilStalled(millis: number, over: AbortSignal): Promise<void>;
}

/** `published` is how many files have been published so far: another one is a sign of life too. */
export function createActivity(published: () => number): Activity {
  let silentMs = 0;
  let isOpen = true;
  return {
    seen: () => void (silentMs = 0),
    untilStalled(millis, over) {
      return new Promise((resolve) => {
        void watch().then(() => isOpen && resolve());
      });

      async function watch(): Promise<void> {
        silentMs = 0;
        let known = published();
        const everyMs = Math.min(LOOK_EVERY_MS, millis);
        while (silentMs < millis && !over.aborted) {
          await pause(everyMs, over);
          // Each turn counts for what it should have lasted: while the machine was frozen, so was the command.
          silentMs += everyMs;
          if (published() !== known) silentMs = 0;
          known = published();
        }
        isOpen = !isAborted(over);
      }
    },
  };
}
