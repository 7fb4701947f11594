/** What a thread asks a disk just now, which others see while it hangs in that very question: such a thread answers no message. */
export interface DiskQuestion {
  /** Of one file, as both sides count them. */
  file: number;
  /** The how many-th question of this thread it is. */
  number: number;
}

/** Both sides' view of it. */
export type QuestionCells = SharedArrayBuffer;

const FILE = 0;
const NUMBER = 1;
/** Files are counted from 1. */
const NONE = 0;

export function questionCells(): QuestionCells {
  return new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
}

/** Undefined while nothing is asked. */
export function questionIn(cells: QuestionCells): DiskQuestion | undefined {
  const view = new Int32Array(cells);
  const file = Atomics.load(view, FILE);
  return file === NONE ? undefined : { file, number: Atomics.load(view, NUMBER) };
}

/** Asks a disk about a file, and waits. */
export type AskDisk = <Answer>(question: () => Answer) => Answer;

/** In the thread: how the questions about this file are asked, each of which ends before the next one begins. */
export function askingAbout(file: number, cells: QuestionCells): AskDisk {
  const view = new Int32Array(cells);
  return (question) => {
    Atomics.add(view, NUMBER, 1);
    Atomics.store(view, FILE, file);
    try {
      return question();
    } finally {
      Atomics.store(view, FILE, NONE);
    }
  };
}
