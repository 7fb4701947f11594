import { expect, onTestFinished, test, vi } from 'vitest';
import { createRecount } from '../../dashboard/live/recount.ts';
import { until } from '../support/until.ts';

/** A count whose answers come when the test says so. */
function slowCount() {
  const asked: PromiseWithResolvers<undefined>[] = [];
  const count = async () => {
    asked.push(Promise.withResolvers());
    return asked.at(-1)!.promise;
  };
  const recount = createRecount(count, { everyMs: 1, onStale: () => undefined });
  const times = async (expected: number) => until(`count ${expected}`, () => asked.length === expected);
  return { recount, asked, times };
}

test('what happens while a count is on its way is counted after it, once', async () => {
  const { recount, asked, times } = slowCount();
  recount.soon();
  recount.soon();
  await times(1);
  recount.soon();
  recount.soon();
  asked[0]!.resolve(undefined);
  await times(2);
  asked[1]!.resolve(undefined);
  await asked[1]!.promise;
  recount.soon();
  await times(3);
  recount.close();
});

test('a count that fails is tried again, until it is closed', async () => {
  const { recount, asked, times } = slowCount();
  recount.soon();
  await times(1);
  asked[0]!.reject(new Error('away'));
  await times(2);
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  recount.close();
  asked[1]!.reject(new Error('away'));
  await vi.advanceTimersByTimeAsync(60_000);
  recount.soon();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked.length).toBe(2);
});

/** A count on a clock that the test moves: when it was asked, in seconds, and what was told. */
function clocked() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const [at, told]: [number[], (string | undefined)[]] = [[], []];
  const server = { isAway: true };
  const count = async () => {
    at.push(performance.now() / 1_000);
    if (server.isAway) throw new Error('away');
  };
  return { at, told, server, recount: createRecount(count, { onStale: (why) => told.push(why) }) };
}

test('a count that goes on failing is tried more and more seldom, and that is told until it is right again', async () => {
  const { at, told, server, recount } = clocked();
  const began = performance.now() / 1_000;
  recount.soon();
  await vi.advanceTimersByTimeAsync(5_000);
  expect([at.length, told]).toEqual([2, []]);
  await vi.advanceTimersByTimeAsync(240_000);
  expect(at.map((second) => second - began)).toEqual([2, 4, 8, 16, 32, 64, 124, 184, 244]);
  expect(new Set(told)).toEqual(new Set(['away']));
  server.isAway = false;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told.at(-1)).toBe(undefined);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(at.length).toBe(10);
});

test('when what was in the way may be gone, a count does not wait for the rest of its pause', async () => {
  const { at, told, server, recount } = clocked();
  recount.again();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(at).toEqual([]);
  recount.soon();
  await vi.advanceTimersByTimeAsync(70_000);
  const before = at.length;
  server.isAway = false;
  recount.again();
  await vi.advanceTimersByTimeAsync(2_000);
  expect([at.length - before, told.at(-1)]).toEqual([1, undefined]);
  recount.close();
});
