import { pause } from './pause.ts';
import { anyOf } from './signals.ts';

/** A wake-up call that is not lost: one that comes while nobody waits ends the next wait at once. For one waiter. */
export interface Latch {
  set(): void;
  clear(): void;
  /** Waits for `set`, at most `millis`, or until `signal` is aborted. A wake-up is used up by the wait it ends. */
  wait(millis: number, signal?: AbortSignal): Promise<void>;
}

export function createLatch(): Latch {
  let isSet = false;
  let sleeper: AbortController | undefined;

  return {
    set() {
      isSet = true;
      sleeper?.abort();
    },
    clear() {
      isSet = false;
    },
    async wait(millis, signal) {
      if (!isSet) {
        sleeper = new AbortController();
        await pause(millis, signal === undefined ? sleeper.signal : anyOf(signal, sleeper.signal));
        sleeper = undefined;
      }
      isSet = false;
    },
  };
}
