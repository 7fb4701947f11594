import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDisks } from '../../../agent/sync/disks.ts';
import { DiskSilent } from '../../../agent/sync/errors.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = new Promise<never>(() => undefined);
const after = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis));

test('a disk that answers may take as long as it likes, and nothing is left behind', async () => {
  const { silent, answered } = createDisks(60_000);
  const reading = (async () => {
    for (let piece = 0; piece < 100; piece++) await answered('/data', '/data/large', after(50_000));
  })();
  await vi.advanceTimersByTimeAsync(100 * 50_000);
  await reading;
  expect(silent.aborted).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});

test('one that does not is given up, with the path of the question', async () => {
  const { silent, answered } = createDisks(60_000);
  await expect(answered('/data', '/data/whole', Promise.resolve(7))).resolves.toBe(7);
  void answered('/data', '/data/dead', never);
  await vi.advanceTimersByTimeAsync(59_000);
  expect(silent.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(silent.reason).toEqual(new DiskSilent('the disk of /data/dead has not answered for 60 s'));
  expect(vi.getTimerCount()).toBe(0);
});

test('as long as other questions about the same directory are answered it is only slow', async () => {
  const { silent, answered } = createDisks(60_000);
  const late = answered('/data', '/data/late', after(300_000));
  for (let n = 0; n < 6; n++) {
    void answered('/data', '/data/other', after(50_000));
    await vi.advanceTimersByTimeAsync(50_000);
  }
  await late;
  expect(silent.aborted).toBe(false);
});

test('the answers of one disk are no life of another', async () => {
  const { silent, answered } = createDisks(60_000);
  void answered('/dead', '/dead/file', never);
  for (let n = 0; n < 6; n++) {
    void answered('/data', '/data/file', after(5_000));
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(silent.reason).toMatchObject({ message: 'the disk of /dead/file has not answered for 60 s' });
});

test('of the questions about a directory the one that is not answered is named', async () => {
  const { silent, answered } = createDisks(60_000);
  void answered('/r', '/r/dead', never);
  void answered('/r', '/r/alive', after(1_000));
  await vi.advanceTimersByTimeAsync(61_000);
  expect(silent.reason).toMatchObject({ message: 'the disk of /r/dead has not answered for 60 s' });
});

test('a look at one path is named by it, and takes no name from a look at a directory', async () => {
  const { silent, looked, asked } = createDisks(60_000);
  void looked(never);
  asked('/data/dead');
  void looked(after(1_000), '/data/deleted');
  await vi.advanceTimersByTimeAsync(61_000);
  expect(silent.reason).toMatchObject({ message: 'the disk of /data/dead has not answered for 60 s' });
  const another = createDisks(60_000);
  const walk = another.looked(after(1_000));
  another.asked('/data/walked');
  void another.looked(never, '/data/deleted');
  await vi.advanceTimersByTimeAsync(61_000);
  await walk;
  expect(another.silent.reason).toMatchObject({ message: 'the disk of /data/deleted has not answered for 60 s' });
});

test('what a thread of its own asks may take as long as each question is answered, and the store may be silent', async () => {
  const { silent, askedAside } = createDisks(60_000);
  let question: { directory: string; key: string } | undefined;
  void askedAside(never, () => question);
  await vi.advanceTimersByTimeAsync(300_000);
  for (let number = 0; number < 6; number++) {
    question = { directory: '/data', key: `${number}` };
    await vi.advanceTimersByTimeAsync(50_000);
  }
  expect(silent.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(12_000);
  expect(silent.reason).toEqual(new DiskSilent('the disk of /data has not answered for 60 s'));
  expect(vi.getTimerCount()).toBe(0);
});

test('a look lives by each path that it asks about', async () => {
  const { silent, looked, asked } = createDisks(60_000);
  void looked(never);
  for (let entry = 0; entry < 10; entry++) {
    await vi.advanceTimersByTimeAsync(50_000);
    expect(silent.aborted).toBe(false);
    asked(`/data/${entry}`);
  }
  await vi.advanceTimersByTimeAsync(60_000);
  expect(silent.reason).toMatchObject({ message: 'the disk of /data/9 has not answered for 60 s' });
});

test('a process that was frozen blames no disk', async () => {
  vi.useRealTimers();
  const { silent, answered } = createDisks(200);
  const answer = answered('/data', '/data/file', after(20));
  // Nothing runs here for twice as long.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  await answer;
  expect(silent.aborted).toBe(false);
});
