import { readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { processesBelow } from '../../deploy/local/processes.ts';
import { whenAborted } from '../../lib/pause.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { processesMarked } from './program.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Somebody has told this process to end. */
export class Interrupted extends Error {
  override name = 'Interrupted';
  /** As a shell would say it: 128 and the signal's number. */
  readonly exitCode: number;

  constructor(signal: (typeof SIGNALS)[number]) {
    super(`it was interrupted by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Aborted with Interrupted when this process is told to end, which does not end it any more; and with the error when there is one that
 * nobody waits for: what was started is to be ended all the same. Each, also the later ones, is told where it comes.
 */
export function interruption(): AbortSignal {
  const stopping = new AbortController();
  const stop = (why: unknown): void => {
    tell(why);
    stopping.abort(why);
  };
  for (const signal of SIGNALS) process.on(signal, () => stop(new Interrupted(signal)));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, stop);
  return stopping.signal;
}

/**
 * Does a command's work, and ends this process. Nothing outlives it, whether the work was done, failed, or was interrupted: no process below
 * this one, in whatever group, and nothing in the directory for temporary files, which is this run's own. The exit code is that which the
 * work has set, 1 when it failed or could not be begun, 128 and the signal's number when it was interrupted. What goes wrong while things are
 * put away is told.
 * @param options.last what else is to be put away, when no process is left
 */
export async function runCommand(
  work: () => Promise<void>,
  options: { last?: () => Promise<void> } = {},
): Promise<never> {
  const stopping = interruption();
  try {
    await runWithin(await makeTemporaryDirectory('kelpie-run-'), stopping, work, options.last);
  } catch (error) {
    // Nobody waits for this function but Node, which would find that its error is listened to, and end with 0.
    tell(error);
    process.exitCode = 1;
  }
  process.exit();
}

async function runWithin(
  directory: string,
  stopping: AbortSignal,
  work: () => Promise<void>,
  last: (() => Promise<void>) | undefined,
): Promise<void> {
  process.env.TMPDIR = directory;
  try {
    await unlessAborted(stopping, work());
  } catch (error) {
    const isTold = stopping.aborted && error === stopping.reason;
    if (!isTold) tell(error);
    process.exitCode = error instanceof Interrupted ? error.exitCode : 1;
  }
  await endProcesses(directory);
  await last?.().catch(tell);
  // What was given up may have begun something meanwhile; from the last look until this process ends it can't.
  for (let tries = 0; tries < 3 && left(directory).length > 0; tries += 1) await endProcesses(directory);
  remove(directory);
}

/** Not through what is mounted below: as root that would remove what is another's. */
function remove(directory: string): void {
  try {
    const mounts = process.platform === 'linux' ? readFileSync('/proc/self/mounts', 'utf8').split('\n') : [];
    const mounted = mounts.flatMap((line) => line.split(' ')[1] ?? []).filter((at) => at.startsWith(`${directory}/`));
    if (mounted.length > 0) throw new Error(`${directory} stays: unmount ${mounted.join(', ')}, then remove it`);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    tell(error);
  }
}

function tell(error: unknown): void {
  const what = error instanceof Error && !(error instanceof Interrupted) ? error.stack : String(error);
  process.stderr.write(`${what}\n`);
}

async function unlessAborted(signal: AbortSignal, work: Promise<void>): Promise<void> {
  await Promise.race([work, whenAborted(signal)]);
  signal.throwIfAborted();
}

/** Who leaves something behind when it is killed, and how it is told to end at once. */
const POLITELY = new Map<string, NodeJS.Signals>([
  ['postgres', 'SIGQUIT'],
  ['podman', 'SIGTERM'],
  // It mounts, and unmounts again.
  ['debootstrap', 'SIGTERM'],
]);
const POLITE_MS = 5_000;
const GIVEN_UP_MS = 20_000;

async function endProcesses(directory: string): Promise<void> {
  const began = performance.now();
  const asked = new Set<number>();
  for (let pids = left(directory); pids.length > 0; pids = left(directory)) {
    const elapsed = performance.now() - began;
    if (elapsed > GIVEN_UP_MS) {
      process.stderr.write(`Not to be ended: ${pids.map((pid) => `${nameOf(pid)} (${pid})`).join(', ')}\n`);
      return;
    }
    const rude = elapsed < POLITE_MS ? askToEnd(pids, asked) : pids;
    for (const pid of rude) kill(pid, 'SIGKILL');
    await delay(20);
  }
}

/**
 * Asks those who are to be asked, each once: again would interrupt it as it puts things away, and so would killing what it starts for that.
 * They are asked before what they wait for is killed, for a shell that sees that fail first may be asked in the middle of its putting away.
 * @param asked who was; added to
 * @returns the others, but for those whom one that was asked has begun since
 */
function askToEnd(pids: readonly number[], asked: Set<number>): number[] {
  const spared = new Set(
    [...asked].filter((pid) => pids.includes(pid)).flatMap((pid) => [pid, ...processesBelow(pid)]),
  );
  return pids.filter((pid) => {
    const signal = POLITELY.get(nameOf(pid));
    if (spared.has(pid) || signal === undefined) return !spared.has(pid);
    asked.add(pid);
    kill(pid, signal);
    return false;
  });
}

/** Also those whose parents have ended, by the directory that they were given. */
function left(directory: string): number[] {
  const marked = process.platform === 'linux' ? processesMarked(`TMPDIR=${directory}`) : [];
  return [...new Set([...processesBelow(process.pid), ...marked])].filter((pid) => pid !== process.pid);
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself meanwhile.
  }
}
