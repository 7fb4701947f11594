import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Of one process's main thread so far, in milliseconds: what it computed, and how long it could have, but no processor was free. */
export interface ThreadTime {
  ranMs: number;
  waitedMs: number;
}

/** Linux alone tells. */
export function mainThreadTime(pid: number): ThreadTime {
  const [ran, waited] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ').map(Number);
  if (ran === undefined || waited === undefined) throw new Error(`Linux told nothing of the thread ${pid}`);
  return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
}

/** Milliseconds that each processor of this machine has been busy, and all of its time. */
export function processorTimes(): { busy: number; all: number }[] {
  return cpus().map(({ times }) => {
    const all = Object.values(times).reduce((sum, time) => sum + time, 0);
    return { busy: all - times.idle, all };
  });
}

/**
 * Gives each server a processor for itself, and what is left to everything else: PostgreSQL, what plays the agents, and this process. What
 * those start later inherits that.
 * @throws when there are too few processors, or no `taskset` (package util-linux)
 */
export function pin(servers: readonly number[], others: readonly number[]): void {
  const count = cpus().length;
  if (count <= servers.length) {
    throw new Error(
      `Expected more than ${servers.length} processors to give each server one of its own, found ${count}`,
    );
  }
  servers.forEach((pid, n) => setProcessors(pid, String(n)));
  const left = `${servers.length}-${count - 1}`;
  for (const pid of others) setProcessors(pid, left);
}

function setProcessors(pid: number, list: string): void {
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', list, String(pid)], { stdio: 'ignore' });
}
