import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { startCommand } from '../../agent/process.ts';
import type { Death } from '../../agent/sync/suspicion.ts';
import { until } from '../support/until.ts';

const never = new AbortController().signal;
/** As many requests for files as Node has threads for them. */
const POOL = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kelpie-look-'));
  onTestFinished(() => rm(folder, { recursive: true }));
});

/** Keeps this process from looking at any file, as a disk that does not answer does. Returns what lets it look again. */
function holdLooks(): () => Promise<void> {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const held = Array.from({ length: POOL }, () => open(pipe, 'r'));
  let writer: number | undefined;
  const release = async () => {
    // Each reader is let go of by the first writer: those of the pool have begun to wait by then, as others have not.
    writer ??= openSync(pipe, constants.O_RDWR);
    for (const handle of await Promise.all(held)) await handle.close().catch(() => undefined);
  };
  onTestFinished(async () => {
    await release();
    if (writer !== undefined) closeSync(writer);
  });
  return release;
}

test('who outlives his shell while it is looked, and dies of the signal after it, is among the dead', async () => {
  const stdout = new PassThrough();
  const told: (readonly Death[])[] = [];
  const command = await startCommand({
    command: 'sh',
    // The child has the signal for its group in common with the shell, and no handler.
    arguments: ['-c', `sh -c 'echo ready; exec sleep 300 > written' & wait; exit 1`],
    environment: { PATH: process.env['PATH'] ?? '' },
    workingDirectory: folder,
    killWaitMs: 30_000,
    lookWithinMs: 600_000,
    stdout,
    stderr: new PassThrough(),
    onDanger: (dangers) => void told.push(dangers),
  });
  const said = text(stdout);
  await new Promise((resolve) => stdout.once('data', resolve));
  const release = holdLooks();
  const stopped = command.stop({ signal: 'SIGTERM', graceMs: 600_000, publishes: true, hurry: never });
  const before = told.length;
  process.kill(command.pid, 'SIGTERM');
  await until('the end of the shell to be told', () => told.length > before);
  const shellEndedBy = Date.now();
  await until('the clock to go on', () => Date.now() > shellEndedBy);
  await release();
  const { deaths } = await stopped;
  stdout.end();
  await said;
  expect(Math.max(...deaths.map((death) => death.until))).toBeGreaterThan(shellEndedBy);
});
