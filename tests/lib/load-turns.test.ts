import { expect, test } from 'vitest';
import { createLoadTurns } from '../../lib/load-turns.ts';

/** Of loads that are asked for at once: which pass, turn by turn. */
async function passed(mostAtOnce: number, loads: readonly { group: string; size: number }[]): Promise<string[][]> {
  const turns = createLoadTurns(mostAtOnce);
  const byTurn: string[][] = [];
  const all = loads.map(async ({ group, size }) => {
    await turns.take({ group, name: 'lane' }, size);
    (byTurn.at(-1) ?? []).push(`${group}${size}`);
  });
  let isOver = false;
  const over = Promise.all(all).then(() => (isOver = true));
  while (!isOver) {
    byTurn.push([]);
    // Loads pass before or after this, but never both.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await over;
  return byTurn.filter((turn) => turn.length > 0);
}

test('so much passes in one turn of the event loop, or one that is larger, and groups take turns', async () => {
  const a = [3, 4, 4, 20, 1].map((size) => ({ group: 'a', size }));
  expect(await passed(10, [...a, { group: 'b', size: 6 }])).toEqual([['a3', 'a4'], ['b6'], ['a4'], ['a20'], ['a1']]);
});

test('what comes when nothing waits passes in the next turn', async () => {
  const turns = createLoadTurns(1);
  for (let time = 0; time < 3; time++) await turns.take({ group: 'a', name: 'lane' }, 5);
});
