import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, expect, onTestFinished, test } from 'vitest';

const LEAVER = join(import.meta.dirname, 'support/leaver.ts');
/** What starts a program as process 1 of its own small world, as in a container that has no other init. */
const AS_PROCESS_ONE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] as const;
const canBeProcessOne = spawnSync(AS_PROCESS_ONE[0], [...AS_PROCESS_ONE.slice(1), 'true']).status === 0;
/** Where a fault leaves its core, if anywhere. */
const WITH_CORES = ['sh', '-c', 'mkdir inside; cd inside; ulimit -c unlimited; exec "$@"', 'sh'] as const;

let directory: string;
let pipe: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kelpie-workers-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  pipe = join(directory, 'pipe');
  // Nobody ever writes to it, as a disk that does not answer: who opens it to read waits in the kernel.
  execFileSync('mkfifo', [pipe]);
});

/** How a process ends that leaves with code 3 while it is at `work`, and what it said of that. */
async function endOf(work: string, by: readonly string[] = []) {
  const [file, ...words] = [...by, process.execPath, LEAVER, work, pipe] as const;
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
  return { code: child.exitCode, signal: child.signalCode, said: await said };
}

test.each(['THREAD_HANGS', 'POOL_HANGS'])(
  'a process leaves although a thread hangs in the kernel: %s',
  async (work) => {
    const { said, ...end } = await endOf(work);
    expect(end).toEqual({ code: null, signal: 'SIGKILL' });
    expect(said).toMatch(/"code":3.*disk does not answer/);
  },
);

test('one whose thread ends leaves with its code', async () => {
  expect(await endOf('THREAD_ENDS')).toEqual({ code: 3, signal: null, said: '' });
});

// Of process 1 the kernel keeps even SIGKILL.
test.skipIf(!canBeProcessOne)('process 1 leaves by a fault, and without a core that would hold its keys', async () => {
  const { code, said } = await endOf('POOL_HANGS', [...AS_PROCESS_ONE, ...WITH_CORES]);
  // Who started it for us tells of its signal by the same, or as a shell does.
  expect(code === null || code > 128).toBe(true);
  expect(said).toMatch(/disk does not answer/);
  expect(await readdir(join(directory, 'inside'))).toEqual([]);
});
