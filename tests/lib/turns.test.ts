import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTurns, type Lane } from '../../lib/turns.ts';

const lane = (group: string, name = 'lane'): Lane => ({ group, name });

test('groups take turns, and in a group its lanes, each of which is first come, first served', () => {
  const turns = createTurns<string>();
  for (const one of ['a1', 'a2', 'a3']) turns.add(lane('flood', 'a'), one);
  for (const one of ['b1', 'b2']) turns.add(lane('flood', 'b'), one);
  turns.add(lane('quiet'), 'c1');
  const taken = Array.from({ length: 7 }, () => turns.next());
  expect(taken).toEqual([['a1'], ['c1'], ['b1'], ['a2'], ['b2'], ['a3'], []]);
});

test('a turn is for some of one lane, as many as fit, and for its first one whether it fits or not', () => {
  const turns = createTurns<number>();
  for (const size of [9, 2, 3, 4]) turns.add(lane('a'), size);
  turns.add(lane('b'), 1);
  const upTo = (most: number) => {
    let sum = 0;
    return (size: number) => (sum += size) <= most;
  };
  const taken = Array.from({ length: 5 }, () => turns.next(upTo(5)));
  expect(taken).toEqual([[9], [1], [2, 3], [4], []]);
});

test('who leaves is not counted any more, and is told whether it still waited', () => {
  const turns = createTurns<string>();
  for (const one of ['gone', 'here']) turns.add(lane('a'), one);
  expect([turns.remove(lane('a'), 'gone'), turns.remove(lane('a'), 'gone')]).toEqual([true, false]);
  expect([turns.remove(lane('a', 'other'), 'here'), turns.remove(lane('b'), 'here')]).toEqual([false, false]);
  expect([turns.count(lane('a')), turns.count(lane('b'))]).toEqual([1, 0]);
  expect([turns.next(), turns.count(lane('a')), turns.next()]).toEqual([['here'], 0, []]);
});

test('nobody is forgotten or served twice, and while a group waits no other has two turns', () => {
  const step = fc.record({
    group: fc.constantFrom('a', 'b', 'c'),
    name: fc.constantFrom('x', 'y'),
    isTurn: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const turns = createTurns<{ group: string }>();
      const waiting = new Set<{ group: string }>();
      const passedBy = new Map<string, Set<string>>();
      const serve = (): void => {
        const [one] = turns.next();
        expect(one === undefined).toBe(waiting.size === 0);
        if (one === undefined) return;
        expect(waiting.delete(one)).toBe(true);
        passedBy.delete(one.group);
        for (const group of new Set([...waiting].map(({ group }) => group))) {
          if (group === one.group) continue;
          const others = passedBy.get(group) ?? new Set();
          expect(others).not.toContain(one.group);
          passedBy.set(group, others.add(one.group));
        }
      };
      for (const { group, name, isTurn } of steps) {
        const one = { group };
        waiting.add(one);
        turns.add({ group, name }, one);
        if (isTurn) serve();
      }
      while (waiting.size > 0) serve();
      expect(turns.next()).toEqual([]);
    }),
  );
});
