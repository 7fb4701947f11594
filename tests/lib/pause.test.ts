import { afterEach, expect, test, vi } from 'vitest';
import { pause, whenAborted } from '../../lib/pause.ts';

afterEach(() => vi.useRealTimers());

test('a pause ends early, without an error, when its signal is aborted', async () => {
  const stop = new AbortController();
  const paused = pause(600_000, stop.signal);
  stop.abort();
  await paused;
  await pause(600_000, stop.signal);
});

test('a pause of months is not over at once', async () => {
  vi.useFakeTimers();
  let isOver = false;
  const days = 24 * 60 * 60 * 1000;
  void pause(60 * days).then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(59 * days);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(days);
  expect(isOver).toBe(true);
});

test('waiting for an abort is over at once for a signal that was aborted before', async () => {
  await whenAborted(AbortSignal.abort());
});

test('waiting for an abort stays open once it has been called off', async () => {
  const awaited = new AbortController();
  const over = new AbortController();
  let isOver = false;
  void whenAborted(awaited.signal, over.signal).then(() => (isOver = true));
  over.abort();
  awaited.abort();
  await Promise.resolve();
  expect(isOver).toBe(false);
});
