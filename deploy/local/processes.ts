import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Who runs below this process, in whatever process group: its children, theirs, and so on. Who has ended is not among them. */
export function processesBelow(pid: number): number[] {
  const parents = parentsOfAll();
  const found = [pid];
  for (const each of found) {
    for (const [child, parent] of parents) if (parent === each) found.push(child);
  }
  return found.slice(1);
}

/** Child to parent, from Linux's /proc, or from `ps` where there is none. */
function parentsOfAll(): Map<number, number> {
  if (!existsSync('/proc/self/stat')) {
    const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
    return new Map(rows.map((row) => row.trim().split(/\s+/).map(Number) as [number, number]));
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return new Map(pids.flatMap((pid) => parentOf(pid)));
}

function parentOf(pid: string): [number, number][] {
  try {
    // After the name in brackets, which may hold anything: state, parent, …
    const [state, parent] = (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '').split(' ');
    return state === 'Z' ? [] : [[Number(pid), Number(parent)]];
  } catch {
    return [];
  }
}
