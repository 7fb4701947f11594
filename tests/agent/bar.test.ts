import fc from 'fast-check';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createBar, failuresInARow } from '../../agent/bar.ts';
import type { Ending } from '../../agent/ending.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = new AbortController().signal;
const nothing = async () => undefined;

/** A bar before an instance that remembers what it was asked for. */
function barred(maxJobFailures: number, isGranted = false) {
  const reasons: string[] = [];
  const lines: { level: number; msg: string }[] = [];
  const bar = createBar({
    instance: {
      reallocate: async (reason) => {
        reasons.push(reason);
        return isGranted;
      },
    },
    maxJobFailures,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line) as never) }),
  });
  /** How long it takes to pass, in milliseconds of the clock. */
  const passing = async (settled: () => Promise<unknown> = nothing, over = never) => {
    const begin = performance.now();
    const passed = bar.pass(settled, over).then(() => performance.now() - begin);
    await vi.runAllTimersAsync();
    return passed;
  };
  return { bar, reasons, lines, passing };
}

test('nobody waits while no job has failed, or few', async () => {
  const { bar, reasons, passing } = barred(3);
  expect(await passing()).toBe(0);
  bar.ended({ kind: 'FAILED' });
  bar.ended({ kind: 'TIMED_OUT' });
  expect(await passing()).toBe(0);
  expect(reasons).toEqual([]);
});

test.each([
  [false, 60_000, 'lift its bans'],
  [true, 600_000, 'another one was asked for'],
])('when too many fail in a row another machine is asked for (granted: %s)', async (isGranted, millis, said) => {
  const { bar, reasons, lines, passing } = barred(3, isGranted);
  for (const kind of ['FAILED', 'SYNC_FAILED', 'RELEASED', 'TIMED_OUT'] as const) bar.ended({ kind });
  expect(await passing()).toBe(0);
  bar.ended({ kind: 'SYNC_FAILED', fault: 'MACHINE' });
  expect(await passing()).toBe(millis);
  expect(reasons).toEqual(['Jobs failed on this machine, in a row: 3']);
  expect(lines).toMatchObject([{ level: 50, msg: expect.stringContaining(said) as string }]);
  expect(await passing()).toBe(0);
});

test('what is said a second time while the machine rests makes no second rest', async () => {
  const { bar, reasons, passing } = barred(0);
  bar.raise('it is broken');
  setTimeout(() => bar.raise('it is broken'), 10);
  expect(await passing()).toBe(60_000);
  expect(await passing()).toBe(0);
  expect(reasons).toEqual(['it is broken']);
});

test('what is under way has ended before the machine is given up', async () => {
  const { bar, reasons, passing } = barred(0);
  bar.raise('it is broken');
  let askedBefore: number | undefined;
  const settled = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    askedBefore = reasons.length;
  };
  expect(await passing(settled)).toBe(61_000);
  expect([askedBefore, reasons]).toEqual([0, ['it is broken']]);
});

test('an agent that is told to stop meanwhile asks for nothing', async () => {
  const { bar, reasons, passing } = barred(0);
  bar.raise('it is broken');
  const over = new AbortController();
  const settled = async () => over.abort();
  expect(await passing(settled, over.signal)).toBe(0);
  expect(reasons).toEqual([]);
});

test('the same trouble is an error in the log once, until a job has completed', async () => {
  const { bar, lines, reasons, passing } = barred(1);
  for (const kind of ['FAILED', 'FAILED', 'COMPLETED', 'FAILED'] as const) {
    bar.ended({ kind });
    await passing();
  }
  expect(lines.map(({ level }) => level)).toEqual([50, 20, 50]);
  expect(reasons).toHaveLength(3);
});

test('a job that was taken away, or that the storage has failed, is no further failure', async () => {
  const { bar, reasons, passing } = barred(2);
  for (const kind of ['FAILED', 'FAILED'] as const) bar.ended({ kind });
  expect(await passing()).toBe(60_000);
  for (const kind of ['CANCELED', 'LEASE_LOST', 'RELEASED', 'SYNC_FAILED'] as const) bar.ended({ kind });
  expect(await passing()).toBe(0);
  bar.ended({ kind: 'FAILED' });
  expect(await passing()).toBe(60_000);
  expect(reasons).toHaveLength(2);
});

test('no number of failures is too many for a limit of 0', async () => {
  const { bar, passing } = barred(0);
  for (let failed = 0; failed < 100; failed++) bar.ended({ kind: 'FAILED' });
  expect(await passing()).toBe(0);
});

const kinds = fc.constantFrom<Ending['kind'][]>(
  ...(['FAILED', 'SYNC_FAILED', 'TIMED_OUT', 'COMPLETED', 'RELEASED', 'CANCELED', 'LEASE_LOST'] as const),
);

test('failures in a row are those since the last completion', () => {
  fc.assert(
    fc.property(fc.array(kinds), (endings) => {
      const counted = endings.reduce((before, kind) => failuresInARow(before, { kind }), 0);
      const since = endings.slice(endings.lastIndexOf('COMPLETED') + 1);
      expect(counted).toBe(since.filter((kind) => /^FAILED|TIMED_OUT/.test(kind)).length);
    }),
  );
});
