import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { INIT_PROGRAMS, INIT_SOURCE_SHA256 } from '../../agent/init/programs.ts';
import { startProgram, type TestProgram } from '../support/program.ts';
import { until } from '../support/until.ts';

const SOURCE = join(import.meta.dirname, '../../agent/init/init.c');
let folder: string;
let file: string;
beforeEach(async ({ onTestFinished }) => {
  folder = await mkdtemp(join(tmpdir(), 'kelpie-init-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  file = join(folder, 'init');
  await writeFile(file, Buffer.from(INIT_PROGRAMS[process.arch] ?? '', 'base64'), { mode: 0o700 });
});

test('the programs are made of the source as it is', async () => {
  const digest = createHash('sha256')
    .update(await readFile(SOURCE))
    .digest('hex');
  expect(INIT_SOURCE_SHA256, 'run npm run build:init').toBe(digest);
});

// The bytes are Linux's; of other systems nobody is process 1 of a container.
describe.skipIf(process.platform !== 'linux')('init', () => {
  function started(script: string): TestProgram {
    return startProgram(file, [file, '/bin/sh', '-c', script], {
      environment: { PATH: process.env['PATH'] ?? '' },
      workingDirectory: folder,
    });
  }

  test('says that it can run by doing nothing', async () => {
    const tried = startProgram(file, [], { environment: {}, workingDirectory: folder });
    expect(await tried.ended).toEqual({ code: 0, signal: null });
    expect(existsSync(file)).toBe(true);
  });

  test.for([
    ['exit 0', 0],
    ['exit 7', 7],
    ['kill -KILL $$', 137],
  ] as const)('ends as its program does: %s', async ([script, code]) => {
    expect(await started(script).ended).toEqual({ code, signal: null });
    expect(existsSync(file)).toBe(false);
  });

  test('ends with 127 where there is no such program', async () => {
    const missing = startProgram(file, [file, join(folder, 'missing')], { environment: {}, workingDirectory: folder });
    expect(await missing.ended).toEqual({ code: 127, signal: null });
  });

  test.for(['SIGTERM', 'SIGINT', 'SIGUSR1', 'SIGHUP'] as const)('hands on %s, once', async (signal) => {
    const name = signal.slice('SIG'.length);
    const count = `n=0; trap 'n=$((n+1)); echo got $n' ${name}; trap 'echo sum $n; exit 3' USR2`;
    const program = started(`${count}; echo ready; while :; do sleep 0.02; done`);
    await program.line((line) => line === 'ready');
    program.signal(signal);
    await program.line((line) => line === 'got 1');
    program.signal('SIGUSR2');
    expect(await program.ended).toEqual({ code: 3, signal: null });
    expect(program.lines).toContain('sum 1');
  });

  test('takes leave of what has lost its parent', async ({ onTestFinished }) => {
    const orphan = '(sleep 0.05; exit 4) & echo orphan $!';
    const program = started(`for i in 1 2 3; do sh -c '${orphan}'; done; echo all; exec sleep 60`);
    onTestFinished(() => program.vanish());
    await program.line((line) => line === 'all');
    const pids = program.lines.filter((line) => line.startsWith('orphan ')).map((line) => line.slice('orphan '.length));
    expect(pids).toHaveLength(3);
    // A zombie would be there as long as this program is.
    await until('no orphan to be left, not even as a zombie', () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
  });
});
