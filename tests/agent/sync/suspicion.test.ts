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
  suspicion.settle([{ from: DEATH, until: DEATH }]);
  expect(suspicion.isOn(changed(afterMs), undefined)).toBe(isSuspect);
});

test('a file that is shorter than the bucket has it takes longer to settle', () => {
  const suspicion = createSuspicion(TIMES);
  suspicion.settle([{ from: DEATH, until: DEATH }]);
  expect(suspicion.isOn(changed(-4_000), changed(-9_000, { size: 20 }))).toBe(true);
  expect(suspicion.isOn(changed(-4_000), changed(-9_000, { size: 20, ino: 2n }))).toBe(false);
});

test('after a kill everything waits that changes, until it is known what died, and when', () => {
  const suspicion = createSuspicion(TIMES);
  suspicion.settle([
    { from: DEATH - 1_000, until: DEATH - 1_000 },
    { from: DEATH, until: Infinity },
  ]);
  const files = [changed(-1_000), changed(-500), changed(-1), changed(30_000)];
  expect(files.map((file) => suspicion.isOn(file, undefined))).toEqual([true, false, true, true]);
  suspicion.settle([{ from: DEATH, until: DEATH }]);
  expect(files.map((file) => suspicion.isOn(file, undefined))).toEqual([false, false, true, false]);
  suspicion.settle([]);
  expect(files.map((file) => suspicion.isOn(file, undefined))).toEqual([false, false, false, false]);
});

test('of a kill that takes its time both what had not settled when it came and what was changed until it was over', () => {
  const suspicion = createSuspicion(TIMES);
  suspicion.settle([{ from: DEATH, until: DEATH + 8_000 }]);
  const files = [-61, -59, 0, 7_999, 8_001].map((after) => changed(after));
  expect(files.map((file) => suspicion.isOn(file, undefined))).toEqual([false, true, true, true, false]);
});

test('where nobody was writing shortly before, of nothing but what was changed since then', () => {
  const since = DEATH - 30;
  const suspicion = createSuspicion(TIMES);
  const files = [-41, -39, -11, -9, 0, 1].map((after) => changed(after));
  suspicion.settle([{ from: DEATH, until: DEATH, begun: { since, mayBeHeirs: false } }]);
  expect(files.map((file) => suspicion.isOn(file, undefined))).toEqual([false, true, true, true, true, false]);
  // What is saved in the moment of the signal by who has a handler may look as old as a tick of the clock.
  suspicion.settle([{ from: DEATH, until: DEATH, begun: { since, mayBeHeirs: true } }]);
  expect(files.map((file) => suspicion.isOn(file, undefined))).toEqual([false, true, true, false, false, false]);
});
