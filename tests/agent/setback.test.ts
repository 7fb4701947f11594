import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ending } from '../../agent/ending.ts';
import { countSetbacks, restMillis, setbacksInARow } from '../../agent/setback.ts';

const otherKinds = ['COMPLETED', 'FAILED', 'TIMED_OUT', 'RELEASED', 'CANCELED', 'LEASE_LOST'] as const;
const kinds = fc.constantFrom<Ending['kind'][]>('SYNC_FAILED', ...otherKinds);

test('setbacks are the faults of storage and start-up since the last other ending', () => {
  fc.assert(
    fc.property(fc.array(kinds), (endings) => {
      const counted = endings.reduce((before, kind) => setbacksInARow(before, { kind }), 0);
      const inARow = endings.toReversed().findIndex((kind) => kind !== 'SYNC_FAILED');
      expect(counted).toBe(inARow === -1 ? endings.length : inARow);
    }),
  );
});

test('each setback asks for one rest, and an attempt that did better in the meantime for none', () => {
  const setbacks = countSetbacks();
  expect(setbacks.unrested()).toBe(0);
  setbacks.ended({ kind: 'SYNC_FAILED' });
  setbacks.ended({ kind: 'SYNC_FAILED' });
  expect([setbacks.unrested(), setbacks.unrested()]).toEqual([2, 0]);
  setbacks.ended({ kind: 'SYNC_FAILED' });
  expect(setbacks.unrested()).toBe(3);
  setbacks.ended({ kind: 'SYNC_FAILED' });
  setbacks.ended({ kind: 'COMPLETED' });
  expect(setbacks.unrested()).toBe(0);
});

test('without a setback the next claim follows at once', () => {
  expect(restMillis(0)).toBe(0);
});

test('the rest doubles from a second to a minute, and its upper half is random', () => {
  const longest = [1, 2, 3, 4, 5, 6, 7, 8, 100].map((setbacks) => restMillis(setbacks, () => 1));
  expect(longest).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  expect(longest.map((_, index) => restMillis(index + 1, () => 0)).slice(0, 3)).toEqual([500, 1000, 2000]);
});

test('one agent alone gives a job that may have ten faults more than a minute of an outage', () => {
  const rests = Array.from({ length: 9 }, (_, index) => restMillis(index + 1, () => 0));
  expect(rests.reduce((sum, millis) => sum + millis, 0)).toBeGreaterThan(60_000);
});
