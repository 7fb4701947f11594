import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, test, expect } from 'vitest';

/** Leaves with code 3 while a thread of its own does what `thread` says. */
function program(thread: string): string {
  return `
    import { Worker } from 'node:worker_threads';
    import { endWorker, leave } from ${JSON.stringify(join(import.meta.dirname, '../../agent/workers.ts'))};
    const begins = "const { parentPort } = require('node:worker_threads'); parentPort.postMessage('begun');";
    const worker = new Worker(begins + ${JSON.stringify(thread)}, { eval: true, execArgv: [] });
    worker.once('message', async () => {
      await new Promise((done) => setTimeout(done, 100));
      void endWorker(worker);
      await leave(3);
    });`;
}

async function endOf(thread: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program(thread)], { stdio: 'inherit' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'exit');
  return { code: child.exitCode, signal: child.signalCode };
}

test('a process whose thread hangs in the kernel leaves all the same', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-workers-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // Nobody ever writes to it, as a disk that does not answer.
  const end = await endOf(`require('node:fs').openSync(${JSON.stringify(pipe)}, 'r')`);
  expect(end).toEqual({ code: null, signal: 'SIGKILL' });
});

test('one whose thread ends leaves with its code', async () => {
  expect(await endOf('setInterval(() => undefined, 1000)')).toEqual({ code: 3, signal: null });
});
