import { pause } from '../../lib/pause.ts';
import { anyOf } from '../../lib/signals.ts';
import { DiskSilent } from './errors.ts';

/** Asks a disk for much, one question after the other. */
export interface Asking {
  /** Aborted when nothing more is to be asked. */
  signal: AbortSignal;
  /** Called with each path before the disk is asked about it. Throws the reason of `signal`. */
  ask: (path: string) => void;
  /** The same for what has to be finished even so, as what is put back. Never throws. */
  askEvenSo: (path: string) => void;
}

export function askingUntil(signal: AbortSignal, onQuestion: (path: string) => void = ignore): Asking {
  return {
    signal,
    ask(path) {
      signal.throwIfAborted();
      onQuestion(path);
    },
    askEvenSo: onQuestion,
  };
}

function ignore(): void {
  // Nobody listens.
}

/** Looks at least so often whether there was an answer. */
const LONGEST_TURN_MS = 1000;

/**
 * Does `work`, however long it takes, as long as the disk answers. Rejects with DiskSilent when nothing was asked anew for `waitMs`, as the last
 * question is unanswered: that one nobody can take back, and it holds a thread for ever, but nothing more is asked after it. Turns are counted,
 * not the clock: in a process that was frozen nobody could hear the answers.
 */
export async function whileAnswered(
  waitMs: number,
  signal: AbortSignal,
  work: (asking: Asking) => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const turnMs = Math.min(LONGEST_TURN_MS, waitMs / 4);
  let unheard = 0;
  let last: string | undefined;

  async function listen(): Promise<void> {
    for (; unheard < waitMs; unheard += turnMs) {
      await pause(turnMs, over.signal);
      if (over.signal.aborted) return;
    }
    const where = last === undefined ? 'the local paths' : last;
    throw new DiskSilent(`the disk of ${where} has not answered for ${waitMs / 1000} s`);
  }

  const asking = askingUntil(anyOf(signal, over.signal), (path) => {
    unheard = 0;
    last = path;
  });
  try {
    await Promise.race([work(asking), listen()]);
  } finally {
    over.abort(new Error('the disk was given up'));
  }
}
