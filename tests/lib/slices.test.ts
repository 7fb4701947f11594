import { afterEach, expect, test, vi } from 'vitest';
import { createSlices } from '../../lib/slices.ts';

let now = 0;
const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
afterEach(() => clock.mockRestore());

test('of all long work one slice is done in a turn of the loop, in the order in which it was asked for', async () => {
  const done: string[] = [];
  let isOver = false;
  const count = (): void => {
    done.push('|');
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const work = async (name: string) => {
    const slice = createSlices();
    for (let step = 0; step < 6; step += 1) {
      await slice();
      done.push(name);
      // Two steps are longer than a slice.
      now += 6;
    }
  };
  await Promise.all(['a', 'b'].map(work));
  isOver = true;
  expect(done.join('')).toMatch(/^\|*aa\|+bb\|+aa\|+bb\|+aa\|+bb\|*$/);
});
