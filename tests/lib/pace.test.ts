import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from 'vitest';
import { createPace } from '../../lib/pace.ts';
import { until } from '../support/until.ts';

function onError(error: Error): void {
  throw error;
}

test('what the work throws is told, and the next time comes all the same', async () => {
  const errors: string[] = [];
  let turns = 0;
  const pace = createPace({
    ...{ perItemMs: 0, atMostMs: 1, onError: ({ message }: Error) => void errors.push(message) },
    work: () => {
      turns += 1;
      if (turns === 1) throw new Error('broken');
      return 0;
    },
  });
  pace.ask();
  await until('the error', () => errors.length === 1);
  expect(errors[0]).toContain('broken');
  pace.ask();
  await until('the next time', () => turns === 2);
  expect(errors).toHaveLength(1);
});

test('works on nobody’s behalf, whoever has asked', async () => {
  const asker = new AsyncLocalStorage<string>();
  const behalf: unknown[] = [];
  const pace = createPace({ perItemMs: 1, atMostMs: 1, work: () => behalf.push(asker.getStore()), onError });
  for (let turn = 1; turn <= 2; turn++) {
    asker.run('somebody', () => pace.ask());
    await until('a turn', () => behalf.length === turn);
  }
  expect(behalf).toEqual([undefined, undefined]);
});

test('what is asked for in one go is done in one go, not within the call', async () => {
  let asked = 0;
  const done: number[] = [];
  const pace = createPace({ perItemMs: 0, atMostMs: 0, work: () => done.push(asked), onError });
  for (; asked < 3; asked++) pace.ask();
  expect(done).toEqual([]);
  await until('it is done', () => done.length > 0);
  pace.ask();
  await until('it is done again', () => done.length > 1);
  expect(done).toEqual([3, 3]);
});

test('after much work it rests, and what comes meanwhile is done together', async () => {
  const turns: { at: number; items: number }[] = [];
  let items = 0;
  const pace = createPace({
    ...{ perItemMs: 10, atMostMs: 60, onError },
    work: () => {
      turns.push({ at: performance.now(), items });
      return items;
    },
  });
  const ask = (): void => {
    items += 1;
    pace.ask();
  };
  for (let count = 0; count < 100; count++) ask();
  await until('the first turn', () => turns.length === 1);
  items = 0;
  for (let count = 0; count < 5; count++) ask();
  await until('the second turn', () => turns.length === 2);
  const [first, second] = turns;
  expect([first?.items, second?.items]).toEqual([100, 5]);
  // A hundred items are worth a second: never more than the bound.
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(58);
});

test('a bound holds: however much was done, the next turn comes', async () => {
  let turns = 0;
  const pace = createPace({
    ...{ perItemMs: 3_600_000, atMostMs: 1, onError },
    work: () => {
      turns += 1;
      return 1_000_000;
    },
  });
  for (; turns < 3;) {
    pace.ask();
    const before = turns;
    await until('another turn', () => turns > before);
  }
  expect(turns).toBe(3);
});

test('a crowd that comes while it rests for one is waited for', async () => {
  const turns: { at: number; items: number }[] = [];
  let items = 1;
  const crowd = (): void => {
    for (; items < 50; items++) pace.ask();
  };
  const pace = createPace({
    ...{ perItemMs: 300, atMostMs: 600, onError },
    work: () => {
      turns.push({ at: performance.now(), items });
      items = 0;
      if (turns.length === 1) setImmediate(crowd);
      return 1;
    },
  });
  pace.ask();
  await until('the second turn', () => turns.length === 2);
  const [first, second] = turns;
  expect([first?.items, second?.items]).toEqual([1, 50]);
  // Not the rest of the one that was done.
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(590);
});
