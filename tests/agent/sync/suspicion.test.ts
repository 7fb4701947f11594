import { expect, test } from 'vitest';
import { createSuspicion } from '../../../agent/sync/suspicion.ts';

const TIMES = { stabilityCheckMs: 50, maxWaitMs: 5_000 };
const DEATH = 1_000_000;

/** A file that was last changed so many milliseconds after the death. */
function changed(afterMs: number, { size = 10, ino = 1n } = {}) {
  const ctimeNs = BigInt(DEATH + afterMs) * 1_000_000n;
  return { size, ino, ctimeNs, mtimeNs: ctimeNs };
}

test.each([
  ['before it, and had settled', -61, false],
  ['just before it', -1, true],
  ['in the same moment', 0, true],
  ['after it', 1, false],
])('of a file that was changed %s', (_when, afterMs, isSuspect) => {
  const suspicion = createSuspicion(TIMES);
  expect(suspicion.isOn(changed(afterMs), undefined)).toBe(false);
  suspicion.settle([DEATH]);
  expect(suspicion.isOn(changed(afterMs), undefined)).toBe(isSuspect);
});

test('a file that is shorter than the bucket has it takes longer to settle', () => {
  const suspicion = createSuspicion(TIMES);
  suspicion.settle([DEATH]);
  expect(suspicion.isOn(changed(-4_000), changed(-9_000, { size: 20 }))).toBe(true);
  expect(suspicion.isOn(changed(-4_000), changed(-9_000, { size: 20, ino: 2n }))).toBe(false);
});

test('after a kill everything waits that changes, until it is known what died, and when', () => {
  const suspicion = createSuspicion(TIMES);
  suspicion.raise(DEATH - 1_000, false);
  suspicion.raise(DEATH, true);
  const files = [changed(-1_000), changed(-500), changed(-1), changed(30_000)];
  expect(files.map((file) => suspicion.isOn(file, undefined))).toEqual([true, false, true, true]);
  suspicion.settle([DEATH]);
  expect(files.map((file) => suspicion.isOn(file, undefined))).toEqual([false, false, true, false]);
  suspicion.settle([]);
  expect(files.map((file) => suspicion.isOn(file, undefined))).toEqual([false, false, false, false]);
});
