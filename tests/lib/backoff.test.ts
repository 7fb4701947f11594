import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMillis, jittered } from '../../lib/backoff.ts';

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('a wait is between half and the whole of the doubled base, and never above the cap', () => {
  fc.assert(
    fc.property(
      fc.nat(2000),
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 60_000 }),
      random,
      (n, baseMs, capMs, r) => {
        const wait = backoffMillis(n, { baseMs, capMs }, () => r);
        const full = Math.min(capMs, baseMs * 2 ** n);
        expect(wait).toBeGreaterThanOrEqual(Math.floor(full / 2));
        expect(wait).toBeLessThanOrEqual(full);
      },
    ),
  );
});

test('waits grow from one repetition to the next until the cap', () => {
  const waits = [0, 1, 2, 3, 4].map((n) => backoffMillis(n, { baseMs: 100, capMs: 1000 }, () => 0.99999));
  expect(waits).toEqual([100, 200, 400, 800, 1000]);
});

test('an interval with jitter stays within its share', () => {
  fc.assert(
    fc.property(fc.nat(100_000), random, (millis, r) => {
      const wait = jittered(millis, 0.2, () => r);
      expect(wait).toBeGreaterThanOrEqual(Math.floor(millis * 0.8));
      expect(wait).toBeLessThanOrEqual(Math.ceil(millis * 1.2));
    }),
  );
});
