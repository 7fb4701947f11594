import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DiskSilent } from '../../../agent/sync/errors.ts';
import { type Asking, whileAnswered } from '../../../agent/sync/silence.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const always = new AbortController().signal;
const never = new Promise<void>(() => undefined);

test('who is answered may take as long as it likes', async () => {
  const done = whileAnswered(60_000, always, async ({ ask }) => {
    for (let file = 0; file < 100; file++) {
      ask(`/data/${file}`);
      await new Promise((resolve) => setTimeout(resolve, 50_000));
    }
  });
  await vi.advanceTimersByTimeAsync(100 * 50_000);
  await done;
  expect(vi.getTimerCount()).toBe(0);
});

test('who is not answered is given up, with the path of the last question, and may ask nothing more', async () => {
  let given: Asking | undefined;
  const done = whileAnswered(60_000, always, (asking) => {
    given = asking;
    asking.ask('/healthy');
    asking.ask('/dead');
    return never;
  });
  const silent = expect(done).rejects.toThrow(new DiskSilent('the disk of /dead has not answered for 60 s'));
  await vi.advanceTimersByTimeAsync(59_000);
  expect(given?.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  await silent;
  expect(() => given?.ask('/dead/file')).toThrow('given up');
});

test('a process that was frozen blames no disk', async () => {
  vi.useRealTimers();
  const done = whileAnswered(40, always, async ({ ask }) => {
    ask('/data');
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
  // Nothing runs here for five times as long.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  await done;
});

test('the work may end by a fault of its own, and by its signal', async () => {
  await expect(whileAnswered(60_000, always, () => Promise.reject(new Error('no such file')))).rejects.toThrow(
    'no such',
  );
  const told = whileAnswered(60_000, AbortSignal.abort(new Error('no time')), async ({ ask }) => ask('/data'));
  await expect(told).rejects.toThrow('no time');
});
