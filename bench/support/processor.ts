import { readdirSync, readFileSync } from 'node:fs';

/** Processor time that a process has had since its start, all threads together, in milliseconds. Linux alone tells. */
export function processorMs(pid: number): number {
  return threadsOf(pid).reduce((sum, thread) => sum + nanoseconds(`/proc/${pid}/task/${thread}/schedstat`), 0) / 1e6;
}

/** The same of all that a process has started and that still run: of PostgreSQL, its connections and helpers. */
export function processorMsBelow(parent: number): number {
  return childrenOf(parent).reduce((sum, pid) => sum + processorMs(pid), 0);
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  // After the name in brackets, which may hold anything: state, parent, …
  const isChild = (pid: string): boolean =>
    Number(read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[1]) === parent;
  return pids.filter(isChild).map(Number);
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function nanoseconds(path: string): number {
  return Number(read(path).split(' ', 1)[0] ?? 0);
}

/** Empty when the process has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
