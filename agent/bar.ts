import type { Logger } from 'pino';
import { isAborted, pause } from '../lib/pause.ts';
import type { Ending } from './ending.ts';
import type { Instance } from './instance.ts';

/** Keeps this machine from jobs when too many have failed on it. */
export interface Bar {
  /** No more work is wanted here for a while, for this reason, which whoever keeps the machines may read. */
  raise(reason: string): void;
  /** Counts the jobs that fail one after the other, and raises the bar when they are too many. */
  ended(ending: Verdict): void;
  /**
   * Waits while the bar is up, having asked for another machine. Resolves when work may be asked for again, or `over` is aborted.
   * @param settled resolves when nothing is under way that would be lost with the machine
   */
  pass(settled: () => Promise<unknown>, over: AbortSignal): Promise<void>;
}

type Verdict = Pick<Ending, 'kind' | 'fault'>;

/** A machine that is to be reallocated gets no work, unless somebody lifts its bans. */
const BARRED_MS = 60_000;
/** A machine that was promised to be replaced has this long to go, before work is asked for on it again, or another one. */
const LEAVING_MS = 600_000;

const TOO_MANY = 'Too many jobs have failed on this machine, so it gets no more of them:';
const PROMISED = 'another one was asked for in its place';
const ADVICE = 'reallocate it, or lift its bans';

/** @param parts.maxJobFailures how many failures in a row are too many; 0: none are */
export function createBar(parts: { instance: Pick<Instance, 'reallocate'>; maxJobFailures: number; log: Logger }): Bar {
  const { instance, maxJobFailures, log } = parts;
  let reason: string | undefined;
  let inARow = 0;
  let isTold = false;

  return {
    raise: (why) => void (reason = why),
    ended(ending) {
      const before = inARow;
      inARow = failuresInARow(before, ending);
      if (ending.kind === 'COMPLETED') isTold = false;
      const isTooMany = maxJobFailures > 0 && inARow >= maxJobFailures;
      if (isTooMany && inARow > before) reason = `Jobs failed on this machine, in a row: ${inARow}`;
    },
    async pass(settled, over) {
      if (reason === undefined) return;
      await settled();
      if (isAborted(over)) return;
      const isLeaving = await instance.reallocate(reason, over);
      log[isTold ? 'debug' : 'error']({ reason, isLeaving }, `${TOO_MANY} ${isLeaving ? PROMISED : ADVICE}`);
      isTold = true;
      await pause(isLeaving ? LEAVING_MS : BARRED_MS, over);
      // It is told twice: as a signal, and in the answer to the question for work.
      reason = undefined;
    },
  };
}

/**
 * How many jobs in a row have failed, now that one more has ended. One that was taken away says nothing of the machine, and neither does a
 * fault of the storage: in an outage the whole fleet would ask for other machines, which would meet it as well.
 */
export function failuresInARow(before: number, { kind, fault }: Verdict): number {
  switch (kind) {
    case 'FAILED':
    case 'TIMED_OUT':
      return before + 1;
    case 'SYNC_FAILED':
      return fault === 'MACHINE' ? before + 1 : before;
    case 'COMPLETED':
      return 0;
    case 'RELEASED':
    case 'CANCELED':
    case 'LEASE_LOST':
      return before;
  }
}
