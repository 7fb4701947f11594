import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { enter, isAlive, newTicket } from '../../../db/embedded/users.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kelpie-users-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('each sees the other until it leaves', () => {
  const first = enter(directory);
  expect(first.shared()).toBe(false);

  const second = enter(directory);
  expect([first.shared(), second.shared()]).toEqual([true, true]);

  second.leave();
  expect(first.shared()).toBe(false);
});

test('a holder that died without leaving is not counted', () => {
  const usage = enter(directory);
  const unusedId = 2 ** 22 + 1; // Above the greatest process id that Linux gives.

  writeFileSync(join(directory, 'users', `${unusedId}-123-1`), '');

  expect(usage.shared()).toBe(false);
});

test.skipIf(process.platform !== 'linux')('nor one whose process id belongs to another process by now', () => {
  const [pid, started] = newTicket().split('-');

  expect(isAlive(`${pid}-${started}-1`)).toBe(true);
  expect(isAlive(`${pid}-${Number(started) - 1}-1`)).toBe(false);
});

test.skipIf(process.platform !== 'linux')('nor one that is dead but not reaped', async () => {
  // The shell becomes a program that does not know of the child that the shell had, before that child ends.
  const parent = spawn('sh', ['-c', 'sleep 0.5 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const { value: pid } = await createInterface({ input: parent.stdout })[Symbol.asyncIterator]().next();
    await expect.poll(() => statOf(pid)[2], { interval: 5 }).toBe('Z');

    expect(isAlive(`${pid}-${statOf(pid)[21]}-1`)).toBe(false);
  } finally {
    parent.kill('SIGKILL');
  }
});

function statOf(pid: string | undefined): string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
}
