import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { constants as systemConstants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { messageOf } from '../lib/errors.ts';
import { keepLastLines } from '../lib/last-lines.ts';
import { pause, whenAborted } from '../lib/pause.ts';
import { endGroup, groupEnded, signalGroup } from './process-group.ts';

const TAIL_LINES = 20;
const TAIL_WIDTH = 300;
/** How long output that is on its way when the command ends may take, where something outside its group holds the pipe. */
const DRAIN_MS = 1000;

export interface CommandSpec {
  command: string;
  arguments: readonly string[];
  environment: Record<string, string>;
  workingDirectory: string;
  /** Where the command's output is passed on to. */
  stdout: Writable;
  stderr: Writable;
  /** How long something of the command may run on after SIGKILL, in milliseconds, until it is given up. */
  killWaitMs: number;
  /** Called whenever the command has written something. */
  onOutput?: (chunk: Buffer, stream: 'STDOUT' | 'STDERR') => void;
}

export interface CommandExit {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /**
   * When the command, or what it had started, was ended by a signal rather than by itself, in milliseconds since 1970:
   * what it was writing then may be half-written. What a program of its group wrote later it wrote well.
   */
  killedAt?: number;
  /** The last lines the command wrote to stderr, oldest first. */
  stderrTail: string[];
  /** What of the command runs on although it was killed, for a person: what that may still be writing nobody may publish. */
  survivor?: string;
}

export interface PoliteStop {
  signal: 'SIGTERM' | 'SIGINT';
  /** Milliseconds the command and all it started have to end by themselves. */
  graceMs: number;
  /** Ends the grace at once. */
  hurry: AbortSignal;
}

export interface RunningCommand {
  readonly pid: number;
  /**
   * Resolves when the command has ended, nothing of its process group runs any more, and its output is passed on; or when what was
   * killed has survived for too long.
   */
  readonly exited: Promise<CommandExit>;
  /** Asks the whole group to end, and kills what is left after the grace. */
  stop(how: PoliteStop): Promise<CommandExit>;
  /** Kills the whole group at once. */
  kill(): Promise<CommandExit>;
}

/** The command could not be started. `fault` says whether the job is to blame, or the machine's lack of resources. */
export class CommandNotStarted extends Error {
  override name = 'CommandNotStarted';
  readonly fault: 'COMMAND' | 'MACHINE';

  constructor(message: string, fault: 'COMMAND' | 'MACHINE') {
    super(message);
    this.fault = fault;
  }
}

/** Starts a command as the leader of a process group of its own. Throws CommandNotStarted. */
export async function startCommand(spec: CommandSpec): Promise<RunningCommand> {
  const child = await spawned(spec);
  const tail = keepLastLines(TAIL_LINES, TAIL_WIDTH);
  passOn(child.stdout, spec.stdout, (chunk) => spec.onOutput?.(chunk, 'STDOUT'));
  passOn(child.stderr, spec.stderr, (chunk) => {
    tail.push(chunk);
    spec.onOutput?.(chunk, 'STDERR');
  });

  /** Ends the wait for those that were asked to end. */
  let patience: AbortController | undefined;
  let hasEnded = false;
  const { killAll, givenUp } = killing(child.pid, spec.killWaitMs);
  const exited = ended();

  async function ended(): Promise<CommandExit> {
    const { exitCode, signal } = await Promise.race([leaderExit(child), givenUp]);
    let killedAt = isKilling(exitCode, signal) ? Date.now() : undefined;
    // A shell that is told to stop dies at once, while the program it runs may still be saving its state.
    if (patience !== undefined) await groupEnded(child.pid, patience.signal);
    if (patience?.signal.aborted === true) killedAt = Date.now();
    const survivor = await killAll();
    hasEnded = true;
    await drained(child);
    return {
      ...{ exitCode, signal, stderrTail: tail.lines() },
      ...(killedAt === undefined ? {} : { killedAt }),
      ...(survivor === undefined ? {} : { survivor }),
    };
  }

  async function stop({ signal, graceMs, hurry }: PoliteStop): Promise<CommandExit> {
    // Once the group is gone its number may be another's.
    if (hasEnded) return exited;
    const over = new AbortController();
    patience = new AbortController();
    signalGroup(child.pid, signal);
    const endedInTime = await Promise.race([
      exited.then(() => true),
      pause(graceMs, over.signal).then(() => false),
      whenAborted(hurry, over.signal).then(() => false),
    ]);
    over.abort();
    patience.abort();
    if (!endedInTime) void killAll();
    return exited;
  }

  async function kill(): Promise<CommandExit> {
    if (!hasEnded) void killAll();
    return exited;
  }

  return { pid: child.pid, exited, stop, kill };
}

type Child = ChildProcessByStdio<null, Readable, Readable> & { pid: number };

async function spawned(spec: CommandSpec): Promise<Child> {
  try {
    const child = spawn(spec.command, spec.arguments, {
      cwd: spec.workingDirectory,
      env: spec.environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await once(child, 'spawn');
    // A child that has been spawned has a pid; the type cannot know.
    return child as Child;
  } catch (error) {
    // The system says the same of a missing program and of a missing place to run it in.
    throw (await wrongPlace(spec)) ?? notStarted(spec, error);
  }
}

async function wrongPlace({ workingDirectory: path }: CommandSpec): Promise<CommandNotStarted | undefined> {
  try {
    await access(path, constants.X_OK);
    if ((await stat(path)).isDirectory()) return undefined;
    return new CommandNotStarted(`The working directory of this agent, ${path}, is no directory any more.`, 'MACHINE');
  } catch (error) {
    const what = `The working directory of this agent cannot be entered any more: ${messageOf(error)}`;
    return new CommandNotStarted(`${what}. Restart the agent in a directory that stays.`, 'MACHINE');
  }
}

function notStarted(spec: CommandSpec, error: unknown): CommandNotStarted {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const what = `The command ${JSON.stringify(spec.command)} could not be started`;
  switch (code) {
    case 'ENOENT':
      return new CommandNotStarted(`${what}: ${notFound(spec)}`, 'COMMAND');
    case 'EACCES':
      return new CommandNotStarted(
        `${what}: permission denied. Expected an executable file that this user may run; make it executable (chmod +x). ${whereLooked(spec)}`,
        'COMMAND',
      );
    case 'EAGAIN':
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOMEM':
      return new CommandNotStarted(`${what}: this machine is out of processes, files or memory (${code}).`, 'MACHINE');
    default:
      return new CommandNotStarted(`${what}: ${messageOf(error)}`, 'COMMAND');
  }
}

function notFound(spec: CommandSpec): string {
  if (!spec.command.includes('/')) return `there is no such program. ${whereLooked(spec)}`;
  return `there is no such file, or the interpreter that its first line names is missing. ${whereLooked(spec)}`;
}

function whereLooked(spec: CommandSpec): string {
  if (spec.command.includes('/')) return `Relative paths start at ${spec.workingDirectory}.`;
  return `Looked in PATH=${spec.environment['PATH'] ?? '(not set)'}`;
}

function passOn(source: Readable, sink: Writable, onChunk: (chunk: Buffer) => void): void {
  source.on('data', (chunk: Buffer) => {
    onChunk(chunk);
    if (!sink.writable || sink.write(chunk)) return;
    source.pause();
    const resume = () => {
      sink.off('drain', resume);
      sink.off('close', resume);
      source.resume();
    };
    sink.on('drain', resume);
    sink.on('close', resume);
  });
}

type LeaderExit = Pick<CommandExit, 'exitCode' | 'signal'>;

function leaderExit(child: Child): Promise<LeaderExit> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

/** Signals that no program lives to tell of, and so none exits with the code by which a shell tells that its program died of one. */
const DEADLY = (['SIGILL', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGSEGV'] as const).map(
  (name) => systemConstants.signals[name],
);

/**
 * Whether the command died of a signal. Of the codes above 128, by which a shell tells that of its program, most are also what
 * programs exit with by themselves, as after SIGTERM (143) when everything is saved: those are taken for an end in order.
 */
function isKilling(exitCode: number | null, signal: NodeJS.Signals | null): boolean {
  return signal !== null || DEADLY.some((number) => exitCode === 128 + number);
}

interface Killing {
  /** The same for each call. Resolves when nothing of the group is left, or to what has survived. */
  killAll: () => Promise<string | undefined>;
  /** In place of an exit that does not come. */
  givenUp: Promise<LeaderExit>;
}

function killing(leader: number, killWaitMs: number): Killing {
  const givenUp = Promise.withResolvers<LeaderExit>();
  let survivor: Promise<string | undefined> | undefined;
  async function kill(): Promise<string | undefined> {
    const left = await endGroup(leader, killWaitMs);
    if (left !== undefined) givenUp.resolve({ exitCode: null, signal: null });
    return left;
  }
  return { killAll: () => (survivor ??= kill()), givenUp: givenUp.promise };
}

/** 'close' never comes while a process that has left the group holds the pipes open. */
async function drained(child: Child): Promise<void> {
  const over = new AbortController();
  await Promise.race([Promise.all([closed(child.stdout), closed(child.stderr)]), pause(DRAIN_MS, over.signal)]);
  over.abort();
  child.stdout.destroy();
  child.stderr.destroy();
}

function closed(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve();
    else stream.once('close', resolve);
  });
}
