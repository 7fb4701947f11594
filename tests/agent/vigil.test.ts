import { afterEach, describe, expect, test } from 'vitest';
import { type Vigil, isFreeze, keepVigil } from '../../agent/vigil.ts';

let vigil: Vigil | undefined;
afterEach(() => vigil?.stop());

const start = { monotonic: 1000, wall: 5_000_000 };
const after = (monotonic: number, wall = monotonic) => ({
  monotonic: start.monotonic + monotonic,
  wall: start.wall + wall,
});

describe('a freeze', () => {
  test.each([
    ['a look in time', after(250), false],
    ['a look that heavy work has delayed', after(1900), false],
    ['a process that was stopped', after(3000), true],
    ['a machine that was suspended, while the monotonic clock stood still', after(250, 60_000), true],
    ['a clock that was set back', after(250, -3_600_000), false],
    ['a process that was stopped while somebody set the clock back', after(3000, -3_600_000), true],
  ])('%s', (_what, now, expected) => {
    expect(isFreeze(start, now)).toBe(expected);
  });
});

describe('a vigil', () => {
  test('tells its watchers of a freeze at the first look after it, once', () => {
    let now = start;
    const seen: boolean[] = [];
    vigil = keepVigil(() => now);
    const leave = vigil.watch((wasFrozen) => seen.push(wasFrozen));
    vigil.look();
    now = after(10_000);
    vigil.look();
    vigil.look();
    leave();
    now = after(20_000);
    vigil.look();
    expect(seen).toEqual([false, true, false]);
  });

  test('looks by itself several times a second', async () => {
    vigil = keepVigil();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    vigil.watch(resolve);
    expect(await promise).toBe(false);
  });
});
