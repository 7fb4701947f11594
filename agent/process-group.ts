import { readFile, readdir, readlink } from 'node:fs/promises';
import { constants } from 'node:os';
import { pause, whenAborted } from '../lib/pause.ts';

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

/** Whether anything of the group runs. True where that cannot be told. */
export async function groupRuns(leader: number): Promise<boolean> {
  return (await running(leader))?.length !== 0;
}

const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 500;
/** What dies of SIGKILL in order has this long even in a hurry. */
const LEAST_WAIT_MS = 1000;

export interface KillPatience {
  /** Milliseconds until what survives is given up. */
  killWaitMs: number;
  /** Whether nobody may be waited for that long any more. */
  hurries: () => boolean;
  /** Whether the system has told of the leader's end: what `/proc` shows of it before is no proof. */
  hasLeaderEnded: () => boolean;
}

/**
 * Kills the group and waits until nothing of it runs any more. Resolves to what still does after a while, for a person: a process that
 * waits in the kernel for a disk or a driver that does not answer, or, as the leader, one of another user. Others of the
 * group that this agent may not signal are out of its reach, as those are that have left the group, and are not waited for.
 */
export async function endGroup(leader: number, patience: KillPatience): Promise<string | undefined> {
  signalGroup(leader, 'SIGKILL');
  let pauseMs = FIRST_LOOK_MS;
  // Each turn counts for what it should have lasted: on a machine that was frozen nobody has had the time to die.
  for (let waitedMs = 0; ; waitedMs += pauseMs, pauseMs = Math.min(2 * pauseMs, LAST_LOOK_MS)) {
    const seen = await running(leader);
    const left = (seen ?? []).filter(({ pid }) => pid === leader || maySignal(pid));
    if (!patience.hasLeaderEnded() && !left.some(({ pid }) => pid === leader)) left.unshift({ pid: leader });
    if (seen !== undefined && left.length === 0) return undefined;
    const isOver = waitedMs >= patience.killWaitMs || (waitedMs >= LEAST_WAIT_MS && patience.hurries());
    // Where nobody can look, a leader that has ended is no survivor.
    if (isOver) return left.length === 0 ? undefined : left.slice(0, MOST_NAMED).map(description).join(', ');
    // For those that have joined since, or were another user's.
    if (left.length > 0) signalGroup(leader, 'SIGKILL');
    await pause(pauseMs);
  }
}

/** What the group could lose by a signal that ends who has no handler for it. */
export interface Exposure {
  /** Somebody without a handler has a file open to write, which he may leave half-written. True where that cannot be told. */
  writes: boolean;
  /** Somebody has a handler, and may yet write in order. True where that cannot be told. */
  isGuarded: boolean;
}

/** What is assumed where nobody has looked. */
export const UNSEEN: Exposure = { writes: true, isGuarded: true };

/**
 * Looks what the group could lose by a signal. An answer after `withinMs` (milliseconds), or after `hurry`, is as good as none: it waits
 * for threads that a disk which does not answer may hold, and the signal is worth more.
 */
export async function exposureOf(
  leader: number,
  signal: NodeJS.Signals,
  hurry: AbortSignal,
  withinMs = 2000,
): Promise<Exposure> {
  const over = new AbortController();
  const look = async () => {
    const members = await running(leader);
    if (members === undefined) return UNSEEN;
    const all = await Promise.all(members.map((member) => exposureOfMember(member, signal)));
    return { writes: all.some(({ writes }) => writes), isGuarded: all.some(({ isGuarded }) => isGuarded) };
  };
  const late = Promise.race([pause(withinMs, over.signal), whenAborted(hurry, over.signal)]).then(() => UNSEEN);
  return Promise.race([look(), late]).finally(() => over.abort());
}

async function exposureOfMember({ pid, state }: Member, signal: NodeJS.Signals): Promise<Exposure> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const isIn = (mask: string) =>
      ((BigInt(`0x${new RegExp(`^${mask}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`) >>
        BigInt(constants.signals[signal] - 1)) &
        1n) ===
      1n;
    if (isIn('SigCgt') || isIn('SigIgn')) return { writes: false, isGuarded: true };
    // Of a program whose first thread has ended, what the others have open is not shown here.
    if (hasEnded(state)) return { writes: true, isGuarded: false };
    const files = await readdir(`/proc/${pid}/fd`);
    return { writes: (await Promise.all(files.map((file) => isWritten(pid, file)))).includes(true), isGuarded: false };
  } catch (error) {
    // Who has ended meanwhile died of something else.
    return isGone(error) ? { writes: false, isGuarded: false } : UNSEEN;
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

/** What of the group runs; undefined where nobody can look, or not now. */
async function running(leader: number): Promise<Member[] | undefined> {
  try {
    process.kill(-leader, 0);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return [];
  }
  try {
    // Where this agent is process 1, orphans that have ended stay in the group as zombies, and count as present.
    const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const members = await Promise.all(processes.map(async (pid) => memberIn(await statOf(pid), leader)));
    return members.filter((one) => one !== undefined);
  } catch {
    return undefined;
  }
}

async function statOf(pid: string): Promise<string> {
  return readFile(`/proc/${pid}/stat`, 'utf8').catch((error: unknown) => {
    if (isGone(error)) return '';
    throw error;
  });
}

/** Where the number of threads stands, counted from the state. */
const NUM_THREADS = 17;

/**
 * The process of this line of `/proc/PID/stat`, if it belongs to the group and lives. Its name may hold blanks and brackets. A process whose
 * first thread alone has ended is shown as a zombie. Pure.
 */
export function memberIn(stat: string, leader: number): Member | undefined {
  const begin = stat.indexOf('(');
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const [state, , group] = fields;
  if (group !== String(leader) || state === undefined) return undefined;
  if (hasEnded(state) && !(Number(fields[NUM_THREADS]) > 1)) return undefined;
  return { pid: Number.parseInt(stat, 10), name: stat.slice(begin + 1, end), state };
}

/** Whether it is so with the first thread. */
function hasEnded(state: string | undefined): boolean {
  return state === 'Z' || state === 'X';
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
