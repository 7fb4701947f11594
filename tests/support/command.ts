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
 * nobody waits for: what was started is to be ended all the same.
 */
export function interruption(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of SIGNALS) process.on(signal, () => stopping.abort(new Interrupted(signal)));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => stopping.abort(error));
  }
  return stopping.signal;
}

/**
 * Does a command's work, and ends this process. Nothing outlives it, whether the work was done, failed, or was interrupted: no process below
 * this one, in whatever group, and nothing in the directory for temporary files, which is this run's own. The exit code is that which the
 * work has set, 1 when it failed, 128 and the signal's number when it was interrupted.
 * @param options.last what else is to be put away, when no process is left
 */
export async function runCommand(
  work: () => Promise<void>,
  options: { last?: () => Promise<void> } = {},
): Promise<never> {
  const stopping = interruption();
  const directory = await makeTemporaryDirectory('kelpie-run-');
  process.env.TMPDIR = directory;
  try {
    await unlessAborted(stopping, work());
  } catch (error) {
    tell(error);
    process.exitCode = error instanceof Interrupted ? error.exitCode : 1;
  }
  await endProcesses(directory);
  await options.last?.().catch(tell);
  // What was given up may have begun something meanwhile; from the last look until this process ends it can't.
  for (let tries = 0; tries < 3 && left(directory).length > 0; tries += 1) await endProcesses(directory);
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  process.exit();
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
]);
const POLITE_MS = 5_000;
const GIVEN_UP_MS = 20_000;

async function endProcesses(directory: string): Promise<void> {
  const began = performance.now();
  for (let pids = left(directory); pids.length > 0; pids = left(directory)) {
    const elapsed = performance.now() - began;
    if (elapsed > GIVEN_UP_MS) {
      process.stderr.write(`Not to be ended: ${pids.map((pid) => `${nameOf(pid)} (${pid})`).join(', ')}\n`);
      return;
    }
    for (const pid of pids) kill(pid, (elapsed < POLITE_MS ? POLITELY.get(nameOf(pid)) : undefined) ?? 'SIGKILL');
    await delay(20);
  }
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
