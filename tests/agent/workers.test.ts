import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, type TestContext, test } from 'vitest';
import { canOrMust } from '../support/podman.ts';

const LEAVER = join(import.meta.dirname, 'support/leaver.ts');
/** What starts a program as process 1 of its own small world, as in a container that has no other init. */
const AS_PROCESS_ONE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] as const;
const canBeProcessOne = spawnSync(AS_PROCESS_ONE[0], [...AS_PROCESS_ONE.slice(1), 'true']).status === 0;
/** Where a fault leaves its core, if anywhere. */
const WITH_CORES = ['sh', '-c', 'mkdir inside; cd inside; ulimit -c unlimited; exec "$@"', 'sh'] as const;

/** How a process ends that leaves with code 3 while it is at `work`, what it said of that, and what it left. */
async function endOf(work: string, onTestFinished: TestContext['onTestFinished'], by: readonly string[] = []) {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-workers-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  // Nobody ever writes to it, as a disk that does not answer: who opens it to read waits in the kernel.
  execFileSync('mkfifo', [join(directory, 'pipe')]);
  const [file, ...words] = [...by, process.execPath, LEAVER, work, join(directory, 'pipe')] as const;
  const child = spawn(file, words, { cwd: directory, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
    for (const stream of child.stdio) stream?.destroy();
  });
  const said = text(child.stderr);
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  child.stdin.write('leave\n');
  await ended;
  const left = (await readdir(directory, { recursive: true })).sort();
  return { code: child.exitCode, signal: child.signalCode, said: await said, left };
}

describe.concurrent('a process', () => {
  test.for(['THREAD_HANGS', 'POOL_HANGS', 'POOL_WORKS_AND_HANGS'])(
    'leaves although a thread hangs in the kernel: %s',
    async (work, { onTestFinished }) => {
      const { code, signal, said } = await endOf(work, onTestFinished);
      expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
      expect(said).toMatch(/"code":3.*disk does not answer/);
    },
  );

  test('whose thread ends leaves with its code', async ({ onTestFinished }) => {
    expect(await endOf('THREAD_ENDS', onTestFinished)).toMatchObject({ code: 3, signal: null, said: '' });
  });

  test('that still asks a disk which answers leaves with its code', async ({ onTestFinished }) => {
    expect(await endOf('POOL_WORKS', onTestFinished)).toMatchObject({ code: 3, signal: null, said: '' });
  });

  test('leaves when its last words are out', async ({ onTestFinished }) => {
    const { code, said } = await endOf('TALKS', onTestFinished);
    expect(code).toBe(3);
    expect(said.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'))).toHaveLength(900);
  });

  // Of process 1 the kernel keeps even SIGKILL.
  test.runIf(canOrMust(canBeProcessOne, 'a process 1'))(
    'that is process 1 leaves by a fault, and without a core that would hold its keys',
    async ({ onTestFinished }) => {
      const { code, said, left } = await endOf('POOL_HANGS', onTestFinished, [...AS_PROCESS_ONE, ...WITH_CORES]);
      // Who started it for us tells of its signal by the same, or as a shell does.
      expect(code === null || code > 128).toBe(true);
      expect(said).toMatch(/disk does not answer/);
      expect(left.filter((path) => path.startsWith('inside'))).toEqual(['inside']);
    },
  );
});
