import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { messageOf } from '../lib/errors.ts';
import { keepLastLines } from '../lib/last-lines.ts';
import { pause, whenAborted } from '../lib/pause.ts';
import { type Asked, dangersOf, deathsOf, type LeaderExit } from './death.ts';
import { endGroup, exposureOf, groupEnded, groupRuns, signalGroup, UNSEEN } from './process-group.ts';
import type { Death } from './sync/suspicion.ts';

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
  /** Whether it may not take that long any more; not where nothing is said. */
  hurries?: () => boolean;
  /** How long a look may take at who is writing, before a signal is sent, in milliseconds; 2000 where nothing is said. */
  lookWithinMs?: number;
  /** Called whenever the command has written something. */
  onOutput?: (chunk: Buffer, stream: 'STDOUT' | 'STDERR') => void;
  /**
   * Called with all the deaths that there may have been, whenever that has changed: before a signal is sent, after that, and when the
   * command is gone. Those that were some, the exit says.
   */
  onDanger?: (dangers: readonly Death[]) => void;
}

export interface CommandExit extends LeaderExit {
  /**
   * When the command, or what it had started, was ended by a signal rather than by itself. Empty where it ended by itself, which any
   * exit code says but those of `deathsOf`.
   */
  deaths: readonly Death[];
  /** The last lines the command wrote to stderr, oldest first. */
  stderrTail: string[];
  /** What of the command runs on although it was killed, for a person: what that may still be writing nobody may publish. */
  survivor?: string;
}

export interface PoliteStop {
  signal: 'SIGTERM' | 'SIGINT';
  /** Milliseconds the command and all it started have to end by themselves. */
  graceMs: number;
  /** Whether what it has written may still be published, so that it matters who was writing when the signal came. */
  publishes: boolean;
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
  const isOver = () => hasEnded;
  let asked: Asked | undefined;
  let deaths: Death[] = [];
  const leader = leaderExit(child);
  const tellDangers = () => spec.onDanger?.([...dangersOf(asked, kills.since()), ...deaths]);
  const kills = killing(child.pid, leader, spec, tellDangers);
  const exited = ended();

  async function ended(): Promise<CommandExit> {
    const exit = await Promise.race([leader, kills.givenUp]);
    const askedBefore = asked;
    deaths = deathsOf(exit, asked, kills.since());
    tellDangers();
    // A shell that is told to stop dies at once, while the program it runs may still be saving its state.
    if (patience !== undefined) await groupEnded(child.pid, patience.signal);
    // What has outlived the shell may have died of the signal that came only then, of which the shell's exit tells nothing.
    if (asked !== askedBefore) deaths.push(...dangersOf(asked, undefined));
    // Who succeeds has left nothing that matters; else what is left may have been at work.
    const hasLeft = exit.exitCode !== 0 && (await groupRuns(child.pid));
    const isCutOff = hasLeft || patience?.signal.aborted === true;
    const { since, survivor } = await kills.killAll();
    if (isCutOff) deaths.push({ from: since, until: Date.now() });
    hasEnded = true;
    await drained(child);
    return { ...exit, deaths, stderrTail: tail.lines(), ...(survivor === undefined ? {} : { survivor }) };
  }

  async function stop({ signal, graceMs, publishes, hurry }: PoliteStop): Promise<CommandExit> {
    if (isOver()) return exited;
    // Before the look: who sends the signal to this agent may send it to the whole command as well, and its shell may end meanwhile.
    patience = new AbortController();
    const lookedAt = Date.now();
    asked = { signal, lookedAt, sentAt: undefined, exposure: UNSEEN };
    tellDangers();
    const exposure = publishes ? await exposureOf(child.pid, signal, hurry, spec.lookWithinMs) : UNSEEN;
    // Once the group is gone its number may be another's.
    if (isOver()) return exited;
    signalGroup(child.pid, signal);
    // After the signal, so that nothing that was written before it looks later.
    asked = { signal, lookedAt, sentAt: Date.now(), exposure };
    tellDangers();
    const endedInTime = await isWithin(exited, graceMs, hurry);
    patience.abort();
    if (!endedInTime) void kills.killAll();
    return exited;
  }

  async function kill(): Promise<CommandExit> {
    if (!isOver()) void kills.killAll();
    return exited;
  }

  return { pid: child.pid, exited, stop, kill };
}

async function isWithin(exited: Promise<unknown>, graceMs: number, hurry: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const late = [pause(graceMs, over.signal), whenAborted(hurry, over.signal)];
  const isInTime = await Promise.race([exited.then(() => true), ...late.map((each) => each.then(() => false))]);
  over.abort();
  return isInTime;
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

function leaderExit(child: Child): Promise<LeaderExit> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

interface Kill {
  /** When it was begun, in milliseconds since 1970. */
  since: number;
  survivor: string | undefined;
}

interface Killing {
  /** The same for each call. Resolves when nothing of the group is left, or something has survived. */
  killAll: () => Promise<Kill>;
  /** When that was first called. */
  since: () => number | undefined;
  /** In place of an exit that does not come. */
  givenUp: Promise<LeaderExit>;
}

function killing(leader: number, exit: Promise<LeaderExit>, spec: CommandSpec, onBegun: () => void): Killing {
  const { killWaitMs, hurries = () => false } = spec;
  const givenUp = Promise.withResolvers<LeaderExit>();
  let hasLeaderEnded = false;
  let begunAt: number | undefined;
  let kill: Promise<Kill> | undefined;
  void exit.then(() => (hasLeaderEnded = true));
  async function begin(): Promise<Kill> {
    const since = Date.now();
    begunAt = since;
    onBegun();
    const survivor = await endGroup(leader, { killWaitMs, hurries, hasLeaderEnded: () => hasLeaderEnded });
    if (survivor !== undefined) givenUp.resolve({ exitCode: null, signal: null });
    return { since, survivor };
  }
  return { killAll: () => (kill ??= begin()), since: () => begunAt, givenUp: givenUp.promise };
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
