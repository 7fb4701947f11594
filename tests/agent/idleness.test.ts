import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchIdleness } from '../../agent/idleness.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('is too long when nothing was to be done for as long as the limit', async () => {
  const idleness = watchIdleness(1000);
  idleness.begin();
  await vi.advanceTimersByTimeAsync(999);
  expect(idleness.tooLong.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(idleness.tooLong.aborted).toBe(true);
});

test('begins anew after each job', async () => {
  const idleness = watchIdleness(1000);
  idleness.begin();
  await vi.advanceTimersByTimeAsync(900);
  idleness.end();
  await vi.advanceTimersByTimeAsync(900);
  idleness.begin();
  await vi.advanceTimersByTimeAsync(900);
  expect(idleness.tooLong.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(100);
  expect(idleness.tooLong.aborted).toBe(true);
});

test('is never too long without a limit, nor before a limit of weeks', async () => {
  for (const limit of [0, 30 * 86_400_000]) {
    const idleness = watchIdleness(limit);
    idleness.begin();
    await vi.advanceTimersByTimeAsync(29 * 86_400_000);
    expect(idleness.tooLong.aborted).toBe(false);
    idleness.end();
  }
  expect(vi.getTimerCount()).toBe(0);
});
