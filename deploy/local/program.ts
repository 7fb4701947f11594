import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { processesBelow } from './processes.ts';

/** One of Kelpie's programs as a process of its own. */
export interface Program {
  name: string;
  pid: number;
  /** Resolves when it has ended, however. */
  ended: Promise<unknown>;
  /**
   * The first line of its output that fits, also one that was written before the call.
   * @throws when the program ends before, or `signal` is aborted
   */
  line(fits: (text: string) => boolean, signal?: AbortSignal): Promise<string>;
  /** SIGKILL, as if the machine had vanished. The command that it runs goes with it, as with a machine. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for its end. */
  stop(): Promise<void>;
}

/** An agent may take its grace of 20 s for a command that does not end. */
const STOP_MS = 25_000;

const root = join(import.meta.dirname, '../..');

/** Node keeps there what it has compiled: a program's start costs half as much from its second time on. */
const COMPILED = join(root, 'node_modules/.cache/compiled');

/** What a program is given of our own environment: no credential and no setting that was meant for something else. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'NODE_EXTRA_CA_CERTS'];

/** Starts a program of this repository; its output goes to the file `log`. */
export function startProgram(
  name: string,
  [script, ...args]: [string, ...string[]],
  options: { log: string; environment: Record<string, string>; workingDirectory?: string },
): Program {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    cwd: options.workingDirectory ?? root,
    env: { ...inherited(), NODE_COMPILE_CACHE: COMPILED, ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own process group: Ctrl-C in a terminal reaches us alone, and we end it in order.
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} could not be started`);
  const log = createWriteStream(options.log, { mode: 0o600 });
  const lines: string[] = [];
  const news = new EventEmitter();
  for (const stream of [child.stdout, child.stderr]) {
    stream.pipe(log, { end: false });
    createInterface(stream).on('line', (text) => {
      lines.push(text);
      if (lines.length > 200) lines.shift();
      news.emit('line');
    });
  }
  const ended = once(child, 'exit').then(() => news.emit('line'));
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;

  return {
    name,
    pid,
    ended,
    async line(fits, signal) {
      for (;;) {
        const found = lines.find(fits);
        if (found !== undefined) return found;
        if (isOver()) throw new Error(`${name} ended before it was ready:\n${lines.slice(-20).join('\n')}`);
        await once(news, 'line', signal && { signal });
      }
    },
    async kill() {
      killTree(pid);
      await ended;
    },
    async stop() {
      if (!isOver()) child.kill('SIGTERM');
      const late = setTimeout(() => killTree(pid), STOP_MS);
      await ended;
      clearTimeout(late);
    },
  };
}

function inherited(): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

/** The process and all below it, the way a machine goes. */
function killTree(pid: number): void {
  const doomed = [pid, ...processesBelow(pid)];
  for (const each of doomed) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // It has ended by itself meanwhile.
    }
  }
}
