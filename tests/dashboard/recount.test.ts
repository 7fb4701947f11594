import { expect, onTestFinished, test, vi } from 'vitest';
import { createRecount } from '../../dashboard/live/recount.ts';
import { until } from '../support/until.ts';

/** A count whose answers come when the test says so. */
function slowCount() {
  const asked: PromiseWithResolvers<undefined>[] = [];
  const recount = createRecount(() => {
    asked.push(Promise.withResolvers());
    return asked.at(-1)!.promise;
  }, 1);
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
