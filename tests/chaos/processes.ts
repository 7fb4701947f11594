import { readdirSync, readFileSync } from 'node:fs';
import { type Program, startProgram } from '../../deploy/local/program.ts';

/** A program that knows when it has ended, so that nobody who has its number later is hit in its place. */
export interface Child {
  pid: number;
  line: Program['line'];
  /** Resolves to what it said last. */
  ended: Promise<string>;
  isOver(): boolean;
  /** SIGKILL for it and all below it. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for its end. */
  stop(): Promise<void>;
}

export function startChild(...of: Parameters<typeof startProgram>): Child {
  const program = startProgram(...of);
  let isOver = false;
  return {
    pid: program.pid,
    line: (fits, signal) => program.line(fits, signal),
    // No line is ever taken, so this rejects, with the last lines, when the program has ended.
    ended: program
      .line(() => false)
      .catch((error: unknown) => {
        isOver = true;
        return String(error);
      }),
    isOver: () => isOver,
    kill: async () => (isOver ? undefined : program.kill()),
    stop: async () => (isOver ? undefined : program.stop()),
  };
}

/** Sends a signal to a process and all below it, as they are now. One that has ended meanwhile is passed over. */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  for (const each of treeOf(pid)) signalOne(each, signal);
}

export function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function treeOf(root: number): number[] {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), parentOf(name)]),
  );
  const found = [root];
  for (const each of found) {
    for (const [child, parent] of parents) if (parent === each) found.push(child);
  }
  return found;
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the name in brackets, which may hold anything: state, parent, …
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}
