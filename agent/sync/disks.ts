import { DiskSilent } from './errors.ts';
import { untilAborted } from './parallel.ts';

/**
 * The disks of an attempt: what is asked of them while its command runs and after it, and whether they answer. A question that a disk does not
 * answer nobody can take back, and each holds one of a few threads for ever.
 */
export interface Disks {
  /** Aborted with DiskSilent when a disk has answered nothing for so long that it is given up. */
  readonly silent: AbortSignal;
  /** Waits for work that asks disks. Rejects with DiskSilent when one is given up before: the work may hang for ever. */
  unlessSilent: <T>(work: Promise<T>) => Promise<T>;
  /** Waits for the answer to one question about a file. Any answer from below the same `root` is a sign of life, however many wait. */
  answered: <T>(root: string, path: string, question: Promise<T>) => Promise<T>;
  /** Waits for a look at directories, or a move: many questions one after the other, of each of which `asked` is told. */
  looked: <T>(look: Promise<T>) => Promise<T>;
  /** The question before has been answered, and this path is asked about. */
  asked: (path: string) => void;
}

/** Looks at least so often whether there was an answer. */
const LONGEST_TURN_MS = 1000;
/** What looks are counted for, which is no path. */
const LOOKS = '';

interface Waiting {
  /** Questions that are not answered yet. */
  open: number;
  /** Milliseconds since the last answer. */
  unheard: number;
  /** What was asked about last. */
  path: string;
}

/** @param waitMs so long a disk may be silent. Turns are counted, not the clock: in a process that was frozen nobody could hear the answers */
export function createDisks(waitMs: number): Disks {
  const silent = new AbortController();
  const waiting = new Map<string, Waiting>();
  const turnMs = Math.min(LONGEST_TURN_MS, waitMs / 4);
  let timer: NodeJS.Timeout | undefined;

  function turn(): void {
    for (const wait of waiting.values()) {
      wait.unheard += turnMs;
      if (wait.unheard < waitMs) continue;
      clearInterval(timer);
      silent.abort(new DiskSilent(`the disk of ${wait.path} has not answered for ${waitMs / 1000} s`));
      return;
    }
  }

  async function watched<T>(name: string, path: string, question: Promise<T>): Promise<T> {
    const wait = waiting.get(name) ?? { open: 0, unheard: 0, path };
    waiting.set(name, wait);
    wait.open += 1;
    wait.path = path;
    if (!silent.signal.aborted) timer ??= setInterval(turn, turnMs).unref();
    try {
      return await question;
    } finally {
      wait.open -= 1;
      wait.unheard = 0;
      if (wait.open === 0) waiting.delete(name);
      if (waiting.size === 0) {
        clearInterval(timer);
        timer = undefined;
      }
    }
  }

  return {
    silent: silent.signal,
    unlessSilent: (work) => untilAborted(work, silent.signal),
    answered: watched,
    looked: (look) => watched(LOOKS, 'the local paths', look),
    asked(path) {
      const wait = waiting.get(LOOKS);
      if (wait !== undefined) Object.assign(wait, { unheard: 0, path });
    },
  };
}
