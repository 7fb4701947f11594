import { createHook } from 'node:async_hooks';

/** What goes on from now on in the threads that ask disks. */
export interface Pool {
  isBusy(): boolean;
  /** Whether something has been waiting there for so many milliseconds, or since before it was watched. */
  hangs(longerThanMs: number): boolean;
}

/** By their names among what keeps this process; those of the hooks are the same in capitals. */
const REQUEST = /^(?:FSReq|CloseReq|FileHandleCloseReq)/i;

/** Watches until this process ends. Answers only between two turns of the event loop, as a request is counted until its turn is over. */
export function watchPool(): Pool {
  /** When each was begun, on the monotonic clock. */
  const begun = new Map<number, number>();
  createHook({
    init(id, type) {
      if (REQUEST.test(type)) begun.set(id, performance.now());
    },
    before: (id) => void begun.delete(id),
  }).enable();
  const active = () => process.getActiveResourcesInfo().filter((what) => REQUEST.test(what)).length;
  return {
    isBusy: () => active() > 0,
    hangs(longerThanMs) {
      const before = performance.now() - longerThanMs;
      return active() > begun.size || [...begun.values()].some((at) => at < before);
    },
  };
}
