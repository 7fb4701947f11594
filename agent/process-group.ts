import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { pause } from '../lib/pause.ts';

const LOOK_AGAIN_MS = 50;

/** Sends `signal` to every process of the group `leader`, if there are any that this agent may signal. */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH') && !hasCode(error, 'EPERM')) throw error;
  }
}

/** Waits until nothing of the group runs any more, or `until` is aborted. There is no event for this. */
export async function groupEnded(leader: number, until: AbortSignal): Promise<void> {
  while (!until.aborted && (await groupRuns(leader))) await pause(LOOK_AGAIN_MS, until);
}

async function groupRuns(leader: number): Promise<boolean> {
  try {
    process.kill(-leader, 0);
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
  if (!existsSync('/proc/self/stat')) return true;
  // Where this agent is process 1, orphans that have ended stay in the group as zombies, and count as present.
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const states = await Promise.all(processes.map((pid) => stateWithin(leader, pid)));
  return states.some((state) => state !== undefined && state !== 'Z' && state !== 'X');
}

/** The state letter of process `pid` if it belongs to the group. The name before it may hold blanks and brackets. */
async function stateWithin(leader: number, pid: string): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group === String(leader) ? state : undefined;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
