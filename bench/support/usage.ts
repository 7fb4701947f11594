import { readdirSync, readFileSync } from 'node:fs';

/** Of Linux: processor time in /proc is counted in hundredths of a second, whatever the machine. */
const TICKS_PER_SECOND = 100;

/** Processor seconds that a process has used so far, its ended children's included. */
export function cpuSeconds(pid: number): number {
  const [, , , , , , , , , , , user, system, childrenUser, childrenSystem] = statOf(pid);
  return [user, system, childrenUser, childrenSystem].reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

/** What it has in memory, in KiB. */
export function rssKib(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** The process, and those that it has started. */
export function family(pid: number): number[] {
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(Number(name)) === pid);
  return [pid, ...children.map(Number)];
}

/** 0 when there is no such process any more. */
export function parentOf(pid: number): number {
  try {
    return Number(statOf(pid)[1]);
  } catch {
    return 0;
  }
}

/** The fields after the name, which stands in brackets and may hold anything: state, parent, … */
function statOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
}
