import { describe, expect, test } from 'vitest';
import { type Asked, dangersOf, deathsOf } from '../../agent/death.ts';
import { createSuspicion } from '../../agent/sync/suspicion.ts';

const asked: Asked = { signal: 'SIGTERM', lookedAt: 900, sentAt: 1_000, exposure: { writes: true, isGuarded: true } };
const killed = { exitCode: null, signal: 'SIGKILL' } as const;

test('what was killed here is dead since it was killed, however late the system tells of it', () => {
  const began = Date.now();
  const [death, ...others] = deathsOf(killed, undefined, began - 8_000);
  expect(others).toEqual([]);
  expect(death?.from).toBe(began - 8_000);
  expect(death?.until).toBeGreaterThanOrEqual(began);
});

test('what others have killed is dead since that was heard', () => {
  const began = Date.now();
  const [death] = deathsOf(killed, undefined, undefined);
  expect(death?.from).toBeGreaterThanOrEqual(began);
});

test('who outlived the polite signal and was killed after it leaves two moments', () => {
  expect(deathsOf(killed, asked, 21_000)).toEqual([
    { from: 900, until: 1_000 },
    { from: 21_000, until: expect.any(Number) as number },
  ]);
});

test.each([
  { exitCode: null, signal: 'SIGTERM' },
  { exitCode: 143, signal: null },
] as const)('of $signal $exitCode after a SIGTERM the moment is from the look before until that was sent', (exit) => {
  expect(deathsOf(exit, asked, undefined)).toEqual([{ from: 900, until: 1_000 }]);
});

test('where nobody was writing when it was looked, what was begun since then may be half-written', () => {
  const exposure = { writes: false, isGuarded: true };
  expect(deathsOf({ exitCode: 143, signal: null }, { ...asked, exposure }, undefined)).toEqual([
    { from: 900, until: 1_000, begun: { since: 900, mayBeHeirs: true } },
  ]);
});

test('any other code is that of an end in order', () => {
  expect(deathsOf({ exitCode: 0, signal: null }, asked, undefined)).toEqual([]);
  expect(deathsOf({ exitCode: 130, signal: null }, asked, undefined)).toEqual([]);
});

describe('what was being written while it was looked, when others had sent the signal to the whole command', () => {
  const suspicion = createSuspicion({ stabilityCheckMs: 50, maxWaitMs: 5_000 });
  const written = { size: 10, ino: 1n, mtimeNs: 950_000_000n, ctimeNs: 950_000_000n };

  test.each([
    ['and it was gone before it was sent from here', { ...asked, sentAt: undefined }],
    ['and a shell has outlived that', { ...asked, sentAt: 2_000 }],
  ])('is not taken for whole, %s', (_, how) => {
    suspicion.settle(dangersOf(how, undefined));
    expect(suspicion.isOn(written, undefined)).toBe(true);
    suspicion.settle(deathsOf({ exitCode: 143, signal: null }, how, undefined));
    expect(suspicion.isOn(written, undefined)).toBe(true);
  });
});
