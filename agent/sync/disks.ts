import { DiskSilent } from './errors.ts';
import type { OpenQuestion } from './landing.ts';
import { untilAborted } from './parallel.ts';

/**
 * The disks of an attempt: what is asked of them before its command, while that runs and after it, and whether they answer. A question that a disk
 * does not answer nobody can take back, and each holds one of a few threads for ever.
 */
export interface Disks {
  /** Aborted with DiskSilent when a disk has answered nothing for so long that it is given up. */
  readonly silent: AbortSignal;
  /** Waits for work that asks disks. Rejects with DiskSilent when one is given up before: the work may hang for ever. */
  unlessSilent: <T>(work: Promise<T>) => Promise<T>;
  /** Waits for the answer to one question about a file. Any answer from below the same `root` is a sign of life, however many wait. */
  answered: <T>(root: string, path: string, question: Promise<T>) => Promise<T>;
  /** Waits for a look at one path; or at directories, or a move: many questions one after the other, of each of which `asked` is told. */
  looked: <T>(look: Promise<T>, path?: string) => Promise<T>;
  /** The question before has been answered, and this path is asked about. */
  asked: (path: string) => void;
  /** Waits for work of which a thread of its own asks disks: at each turn `question` says what it asks just then, if anything. */
  askedAside: <T>(work: Promise<T>, question: () => OpenQuestion | undefined) => Promise<T>;
}

/** Looks at least so often whether there was an answer. */
const LONGEST_TURN_MS = 1000;
/** What looks are counted for, which is no path. */
const LOOKS = '';

interface Waiting {
  /** What is not answered yet, in the order in which it was asked: of each its path, where it has one. */
  open: Set<{ path: string | undefined }>;
  /** Milliseconds since the last answer. */
  unheard: number;
  /** What was asked about last by what has no path of its own. */
  asked?: string | undefined;
}

interface Aside {
  question: () => OpenQuestion | undefined;
  /** What it asked at the last turn. */
  key?: string | undefined;
  /** Milliseconds since the first turn at which it asked that. */
  unheard: number;
}

/** @param waitMs so long a disk may be silent. Turns are counted, not the clock: in a process that was frozen nobody could hear the answers */
export function createDisks(waitMs: number): Disks {
  const silent = new AbortController();
  const waiting = new Map<string, Waiting>();
  const asides = new Set<Aside>();
  const turnMs = Math.min(LONGEST_TURN_MS, waitMs / 4);
  const turns = createTurns(turnMs, () => {
    const where = silentOf([...waiting.values()], [...asides], { turnMs, waitMs });
    if (where !== undefined)
      silent.abort(new DiskSilent(`the disk of ${where} has not answered for ${waitMs / 1000} s`));
    return silent.signal.aborted;
  });
  async function timed<T>(work: Promise<T>, onOver: () => void): Promise<T> {
    turns.begin();
    try {
      return await work;
    } finally {
      onOver();
      if (waiting.size === 0 && asides.size === 0) turns.end();
    }
  }

  function watched<T>(name: string, path: string | undefined, question: Promise<T>): Promise<T> {
    const wait = waiting.get(name) ?? { open: new Set(), unheard: 0 };
    waiting.set(name, wait);
    const one = { path };
    wait.open.add(one);
    return timed(question, () => {
      wait.open.delete(one);
      wait.unheard = 0;
      if (wait.asked !== undefined && ![...wait.open].some((other) => other.path === undefined)) wait.asked = undefined;
      if (wait.open.size === 0) waiting.delete(name);
    });
  }

  return {
    silent: silent.signal,
    unlessSilent: (work) => untilAborted(work, silent.signal),
    answered: watched,
    looked: (look, path) => watched(LOOKS, path, look),
    asked(path) {
      const wait = waiting.get(LOOKS);
      if (wait !== undefined) Object.assign(wait, { unheard: 0, asked: path });
    },
    askedAside(work, question) {
      const aside: Aside = { question, unheard: 0 };
      asides.add(aside);
      return timed(work, () => asides.delete(aside));
    },
  };
}

/** @param turn returns whether it was the last one */
function createTurns(turnMs: number, turn: () => boolean): { begin(): void; end(): void } {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const next = (): void => {
    isOver = turn();
    if (isOver) clearInterval(timer);
  };
  return {
    begin() {
      if (!isOver) timer ??= setInterval(next, turnMs).unref();
    },
    end() {
      clearInterval(timer);
      timer = undefined;
    },
  };
}

/** Whose disk has been silent for too long, now that one more turn is over: of what it was asked the oldest. */
function silentOf(
  waiting: readonly Waiting[],
  asides: readonly Aside[],
  { turnMs, waitMs }: { turnMs: number; waitMs: number },
): string | undefined {
  for (const wait of waiting) {
    wait.unheard += turnMs;
    const [oldest] = wait.open;
    if (wait.unheard >= waitMs) return oldest?.path ?? wait.asked ?? 'the local paths';
  }
  for (const aside of asides) {
    const question = aside.question();
    aside.unheard = question !== undefined && question.key === aside.key ? aside.unheard + turnMs : 0;
    aside.key = question?.key;
    if (aside.unheard >= waitMs) return question?.directory;
  }
  return undefined;
}
