import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { COMPILED } from './compiled.ts';
import { until } from './until.ts';

/** A program as a process of its own, as a test sees it. */
export interface TestProgram {
  pid: number;
  /** Every line of its output so far; those that a line is awaited in are complete when it ends. */
  lines: readonly string[];
  /** The first line from number `from` on that fits, also one that was written before the call. */
  line(fits: (text: string) => boolean, from?: number): Promise<string>;
  /** Resolves when it has ended and its output is read. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  signal(name: NodeJS.Signals): void;
  /** The same for it and everything it has started, in whatever process group. */
  signalAll(name: NodeJS.Signals): void;
  /** SIGKILL for it and everything it has started, in whatever process group: its machine is gone. */
  vanish(): Promise<void>;
}

export interface ProgramOptions {
  environment: Record<string, string>;
  workingDirectory: string;
  /** How long a line may be waited for; by default somewhat less than a test may take. */
  patienceMs?: number;
}

const PATIENCE_MS = 25_000;

/**
 * Starts a program with this environment, a mark by which everything it starts can be found, and where Node keeps what it has compiled. What the
 * program starts gets these too, unless it takes them away.
 */
export function startProgram(file: string, args: readonly string[], options: ProgramOptions): TestProgram {
  const { patienceMs = PATIENCE_MS } = options;
  const mark = `KELPIE_TEST_MARK=${randomUUID()}`;
  const [name = '', value = ''] = mark.split('=');
  const child = spawn(file, args, {
    cwd: options.workingDirectory,
    env: { NODE_COMPILE_CACHE: COMPILED, ...options.environment, [name]: value },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A signal for the test must not reach it, nor one for its group the test.
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${file} could not be started`);
  const news = new EventEmitter().setMaxListeners(100);
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (text) => {
      lines.push(text);
      news.emit('news');
    });
  }
  let isOver = false;
  const ended = once(child, 'close').then(() => {
    isOver = true;
    news.emit('news');
    return { code: child.exitCode, signal: child.signalCode };
  });

  return {
    pid,
    lines,
    ended,
    async line(fits, from = 0) {
      const late = AbortSignal.timeout(patienceMs);
      for (;;) {
        const found = lines.slice(from).find(fits);
        if (found !== undefined) return found;
        if (isOver || late.aborted) {
          const what = isOver ? 'it ended' : `${patienceMs} ms have passed`;
          throw new Error(`no line fits ${fits.toString()}, and ${what}:\n${lines.slice(-30).join('\n')}`);
        }
        await once(news, 'news', { signal: late }).catch(() => undefined);
      }
    },
    signal: (signal) => void process.kill(pid, signal),
    signalAll: (signal) => processesMarked(mark).forEach((one) => kill(one, signal)),
    async vanish() {
      if (!isOver) child.kill('SIGKILL');
      await killMarked(mark);
      await ended;
    },
  };
}

/** SIGKILL for every process that has `mark` in its environment or command line, until none is left. */
export async function killMarked(mark: string): Promise<void> {
  await until(`no process with ${mark} to be left`, async () => {
    const left = processesMarked(mark);
    left.forEach((pid) => kill(pid, 'SIGKILL'));
    // To look through all processes of the machine costs more than to look at these; they may have started others meanwhile.
    await until(`the processes ${left.join(', ')} to end`, () => !left.some((pid) => isMarked(String(pid), mark)));
    return left.length === 0;
  });
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself meanwhile.
  }
}

/** Processes that have `mark` in their environment or command line, and run. */
export function processesMarked(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isMarked(name, mark))
    .map(Number);
}

/** Whether the process exists and runs. One that has ended stays visible until its parent takes notice. */
export function processRuns(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function isMarked(pid: string, mark: string): boolean {
  try {
    // A zombie's are empty.
    return ['environ', 'cmdline'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(mark));
  } catch {
    return false;
  }
}
