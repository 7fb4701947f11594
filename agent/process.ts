import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { constants as systemConstants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { messageOf } from '../lib/errors.ts';
import { keepLastLines } from '../lib/last-lines.ts';
import { pause, whenAborted } from '../lib/pause.ts';
import { endGroup, groupEnded, groupRuns, signalGroup, writesUnguarded } from './process-group.ts';

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
  /**
   * Called when something of the command may have been ended by a signal, `at` (milliseconds since 1970). `isDeadly`: everything was,
   * though it may take a while. Which of them were deaths, the exit says.
   */
  onDanger?: (at: number, isDeadly: boolean) => void;
}

export interface CommandExit {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /**
   * When the command, or what it had started, was ended by a signal rather than by itself, in milliseconds since 1970:
   * what it was writing then may be half-written. What a program of its group wrote later it wrote well. Empty where it ended by
   * itself, which any exit code says but those of `deathsOf`.
   */
  deaths: readonly number[];
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
  const tail = passOnAll(child, spec);
  /** Ends the wait for those that were asked to end. */
  let patience: AbortController | undefined;
  let hasEnded = false;
  let asked: Asked | undefined;
  const { killAll, givenUp } = killing(child.pid, spec);
  const exited = ended();

  async function ended(): Promise<CommandExit> {
    const exit = await Promise.race([leaderExit(child), givenUp]);
    const deaths = deathsOf(exit, asked);
    for (const at of deaths) spec.onDanger?.(at, false);
    // A shell that is told to stop dies at once, while the program it runs may still be saving its state.
    if (patience !== undefined) await groupEnded(child.pid, patience.signal);
    // Who succeeds has left nothing that matters; else what is left may have been at work.
    const hasLeft = exit.exitCode !== 0 && (await groupRuns(child.pid));
    if (hasLeft || patience?.signal.aborted === true) deaths.push(Date.now());
    const survivor = await killAll();
    hasEnded = true;
    await drained(child);
    return { ...exit, deaths, stderrTail: tail.lines(), ...(survivor === undefined ? {} : { survivor }) };
  }

  async function stop({ signal, graceMs, hurry }: PoliteStop): Promise<CommandExit> {
    const endangers = hasEnded || (await writesUnguarded(child.pid, systemConstants.signals[signal]));
    // Once the group is gone its number may be another's.
    if (hasEnded) return exited;
    const over = new AbortController();
    patience = new AbortController();
    signalGroup(child.pid, signal);
    // After the signal, so that nothing that was written before it looks later.
    asked = { signal, at: Date.now(), endangers };
    spec.onDanger?.(asked.at, false);
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

/** Returns the tail of stderr. */
function passOnAll({ stdout, stderr }: Child, spec: CommandSpec): ReturnType<typeof keepLastLines> {
  const tail = keepLastLines(TAIL_LINES, TAIL_WIDTH);
  passOn(stdout, spec.stdout, (chunk) => spec.onOutput?.(chunk, 'STDOUT'));
  passOn(stderr, spec.stderr, (chunk) => {
    tail.push(chunk);
    spec.onOutput?.(chunk, 'STDERR');
  });
  return tail;
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

interface Asked {
  signal: PoliteStop['signal'];
  at: number;
  /** Whether somebody had a file open to write then, and no handler for the signal. */
  endangers: boolean;
}

/**
 * When the command died, if it did. Of the codes above 128, by which a shell tells of what its program died, most are also what
 * programs exit with by themselves, as after SIGTERM (143) when everything is saved. So the signal that was sent here, and its code,
 * mean: who had no handler died when it was sent, which matters if he was writing, and whatever was written after that somebody lived to
 * write. Any other code is that of an end in order.
 */
function deathsOf({ exitCode, signal }: LeaderExit, asked: Asked | undefined): number[] {
  if (asked !== undefined && (signal === asked.signal || exitCode === 128 + systemConstants.signals[asked.signal])) {
    return asked.endangers ? [asked.at] : [];
  }
  const isDead = signal !== null || DEADLY.some((number) => exitCode === 128 + number);
  return isDead ? [Date.now()] : [];
}

interface Killing {
  /** The same for each call. Resolves when nothing of the group is left, or to what has survived. */
  killAll: () => Promise<string | undefined>;
  /** In place of an exit that does not come. */
  givenUp: Promise<LeaderExit>;
}

function killing(leader: number, { killWaitMs, onDanger }: CommandSpec): Killing {
  const givenUp = Promise.withResolvers<LeaderExit>();
  let survivor: Promise<string | undefined> | undefined;
  async function kill(): Promise<string | undefined> {
    onDanger?.(Date.now(), true);
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
