import { expect, test } from 'vitest';
import { createNewcomers } from '../../../core/agents/newcomers.ts';

test('a fleet of 20,000 machines starts at once, and in the next window another one', () => {
  let at = 0;
  const newcomers = createNewcomers({ now: () => at });
  for (let n = 0; n < 25_000; n += 1) {
    expect(newcomers.waitSeconds('mine')).toBe(0);
    newcomers.came('mine');
  }
  expect([newcomers.waitSeconds('mine'), newcomers.waitSeconds('theirs')]).toEqual([300, 0]);
  at = 299_500;
  expect(newcomers.waitSeconds('mine')).toBe(1);
  at = 300_000;
  expect(newcomers.waitSeconds('mine')).toBe(0);
  newcomers.came('mine');
  expect(newcomers.waitSeconds('mine')).toBe(0);
});
