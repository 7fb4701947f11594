import { readFile, readdir, readlink } from 'node:fs/promises';
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

/** Whether anything of the group runs. */
export async function groupRuns(leader: number): Promise<boolean> {
  return (await running(leader)).length > 0;
}

const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 500;

/**
 * Kills the group and waits until nothing of it runs any more. Resolves to what still does after `patienceMs`, for a person: a process that
 * waits in the kernel for a disk or a driver that does not answer, or, as the leader, one of another user. Others of the
 * group that this agent may not signal are out of its reach, as those are that have left the group, and are not waited for.
 */
export async function endGroup(leader: number, patienceMs: number): Promise<string | undefined> {
  signalGroup(leader, 'SIGKILL');
  let pauseMs = FIRST_LOOK_MS;
  // Each turn counts for what it should have lasted: on a machine that was frozen nobody has had the time to die.
  for (let waitedMs = 0; ; waitedMs += pauseMs, pauseMs = Math.min(2 * pauseMs, LAST_LOOK_MS)) {
    const left = (await running(leader)).filter(({ pid }) => pid === leader || maySignal(pid));
    if (left.length === 0) return undefined;
    if (waitedMs >= patienceMs) return left.slice(0, MOST_NAMED).map(description).join(', ');
    await pause(pauseMs);
  }
}

/** What an answer about the group may take: it waits for threads that a disk which does not answer may hold, and the signal is worth more. */
const LOOK_WITHIN_MS = 2000;

/**
 * Whether somebody in the group has a file open to write and no handler for the signal of this number, so that it may leave the file
 * half-written. True where that cannot be told.
 */
export async function writesUnguarded(leader: number, signal: number): Promise<boolean> {
  const over = new AbortController();
  const look = async () => {
    const members = await running(leader);
    return (await Promise.all(members.map((member) => isUnguardedWriter(member, signal)))).includes(true);
  };
  return Promise.race([look(), pause(LOOK_WITHIN_MS, over.signal).then(() => true)]).finally(() => over.abort());
}

async function isUnguardedWriter({ pid, state }: Member, signal: number): Promise<boolean> {
  if (state === undefined) return true;
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const isIn = (mask: string) =>
      ((BigInt(`0x${new RegExp(`^${mask}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`) >> BigInt(signal - 1)) &
        1n) ===
      1n;
    if (isIn('SigCgt') || isIn('SigIgn')) return false;
    const files = await readdir(`/proc/${pid}/fd`);
    return (await Promise.all(files.map((file) => isWritten(pid, file)))).includes(true);
  } catch (error) {
    // Who has ended meanwhile died of something else.
    return !isGone(error);
  }
}

/** Goes by the name alone: to look at the file itself may take for ever where its disk does not answer. */
async function isWritten(pid: number, file: string): Promise<boolean> {
  try {
    const path = await readlink(`/proc/${pid}/fd/${file}`);
    if (!path.startsWith('/') || /^\/(?:dev(?!\/shm\/)|proc|sys)\//.test(path)) return false;
    const flags = /^flags:\s*([0-7]+)/m.exec(await readFile(`/proc/${pid}/fdinfo/${file}`, 'utf8'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & 3) !== 0;
  } catch (error) {
    return !isGone(error);
  }
}

function isGone(error: unknown): boolean {
  return hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH');
}

const MOST_NAMED = 3;

function description({ pid, name, state }: Member): string {
  return name === undefined || state === undefined ? `process ${pid}` : `process ${pid} (${name}, state ${state})`;
}

function maySignal(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

interface Member {
  pid: number;
  /** Both where the system tells. */
  name?: string;
  state?: string;
}

/** What of the group runs. */
async function running(leader: number): Promise<Member[]> {
  try {
    process.kill(-leader, 0);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return [];
  }
  try {
    // Where this agent is process 1, orphans that have ended stay in the group as zombies, and count as present.
    const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const members = await Promise.all(processes.map((pid) => memberOf(leader, Number(pid))));
    return members.filter((one) => one !== undefined);
  } catch {
    // Where nobody can look, or not now.
    return [{ pid: leader }];
  }
}

/** Process `pid`, if it belongs to the group and lives. Its name may hold blanks and brackets. */
async function memberOf(leader: number, pid: number): Promise<Member | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch((error: unknown) => {
    if (isGone(error)) return '';
    throw error;
  });
  const end = stat.lastIndexOf(')');
  const [state, , group] = stat.slice(end + 2).split(' ');
  if (group !== String(leader) || state === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, name: stat.slice(stat.indexOf('(') + 1, end), state };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
