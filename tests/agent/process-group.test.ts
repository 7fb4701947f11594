import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { endGroup, memberIn } from '../../agent/process-group.ts';
import { canBePowerless, OF_ANOTHER_USER, POWERLESS } from './support/powerless.ts';

const PROGRAM = fileURLToPath(new URL('support/powerless.ts', import.meta.url));
const report = z.object({
  pid: z.number(),
  exit: z.object({ exitCode: z.number().nullable(), signal: z.string().nullable(), survivor: z.string().optional() }),
});

/** Has an agent's command run `script` and be killed by somebody who cannot kill all of it. */
async function killed(script: string) {
  const [file, ...args] = POWERLESS;
  const { stdout } = await promisify(execFile)(file, [...args, process.execPath, PROGRAM, script]);
  const { pid, exit } = report.parse(JSON.parse(stdout));
  onTestFinished(() => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Nothing was left.
    }
  });
  return { pid, exit };
}

describe.runIf(canBePowerless())('what survives SIGKILL', () => {
  test('is given up after a while, and named', async () => {
    const { pid, exit } = await killed(`exec ${OF_ANOTHER_USER} sh -c 'echo ready; exec sleep 300'`);
    expect(exit.survivor).toMatch(new RegExp(`^process ${pid} \\((?:sleep|sh), state [A-Z]\\)$`));
    expect(exit).toMatchObject({ exitCode: null, signal: null });
  });

  test('is not waited for where it is another user’s and not the command itself', async () => {
    const { exit } = await killed(`${OF_ANOTHER_USER} sh -c 'echo ready; exec sleep 300' & wait`);
    expect(exit).toEqual({ exitCode: null, signal: 'SIGKILL' });
  });
});

describe('a process of a group', () => {
  const stat = (state: string, threads: number, group = 7) =>
    `8 (a) b (c) ${state} 1 ${group} 7 0 -1 4194304 94 0 0 0 0 0 0 0 20 0 ${threads} 0 1000 8192 200 18446744073709551615`;

  test.each([
    ['sleeps', stat('S', 1), { pid: 8, name: 'a) b (c', state: 'S' }],
    ['waits for a disk', stat('D', 1), { pid: 8, name: 'a) b (c', state: 'D' }],
    ['lives on in a thread when its first one has died', stat('Z', 2), { pid: 8, name: 'a) b (c', state: 'Z' }],
    ['has ended', stat('Z', 1), undefined],
    ['has ended, and its threads are told of no more', stat('X', 0), undefined],
    ['is of another group', stat('S', 1, 77), undefined],
    ['was gone before anybody could read', '', undefined],
  ])('%s', (_what, line, member) => {
    expect(memberIn(line, 7)).toEqual(member);
  });
});

describe('the leader of a group', () => {
  /** One of which nothing is to be seen any more. */
  async function gone(): Promise<number> {
    const child = spawn('true', { detached: true, stdio: 'ignore' });
    await once(child, 'exit');
    return child.pid ?? expect.fail('it has no number');
  }
  const patience = { killWaitMs: 10, hurries: () => false };

  test('has ended when the system has told so, and not because nobody sees it', async () => {
    const leader = await gone();
    expect(await endGroup(leader, { ...patience, hasLeaderEnded: () => true })).toBeUndefined();
    expect(await endGroup(leader, { ...patience, hasLeaderEnded: () => false })).toBe(`process ${leader}`);
  });

  test('is given up sooner in a hurry', async () => {
    const leader = await gone();
    const hurried = { killWaitMs: 3_600_000, hurries: () => true, hasLeaderEnded: () => false };
    expect(await endGroup(leader, hurried)).toBe(`process ${leader}`);
  });
});
