import { expect, test } from 'vitest';
import { createLatch } from '../../lib/latch.ts';

const HOURS = 3_600_000;

test('a wake-up ends the wait', async () => {
  const latch = createLatch();
  const waited = latch.wait(HOURS);
  latch.set();
  await waited;
});

test('a wake-up that came before the wait is not lost, and is used up by it', async () => {
  const latch = createLatch();
  latch.set();
  await latch.wait(HOURS);
  const start = performance.now();
  await latch.wait(30);
  expect(performance.now() - start).toBeGreaterThan(28);
});

test('a wake-up that was cleared ends nothing', async () => {
  const latch = createLatch();
  latch.set();
  latch.clear();
  const start = performance.now();
  await latch.wait(30);
  expect(performance.now() - start).toBeGreaterThan(28);
});

test('an aborted signal ends the wait', async () => {
  const latch = createLatch();
  await latch.wait(HOURS, AbortSignal.abort());
});
