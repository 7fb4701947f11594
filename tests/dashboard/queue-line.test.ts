import { expect, test } from 'vitest';
import { queueLine } from '../../dashboard/live/queue-line.ts';

const second = (at: number) => new Date(at * 1_000).toISOString();
const point = (at: number, ...values: number[]) => ({ at: at * 1_000, values });

test('a queue is shown from the oldest decision on, also before anything is told', () => {
  const remembered = [
    { at: second(30), pending: 0, running: 2 },
    { at: second(20), pending: null, running: null },
    { at: second(10), pending: 5, running: 0 },
  ];
  expect(queueLine(remembered, [], 40_000)).toEqual([point(10, 5, 0), point(30, 0, 2)]);
  expect(queueLine(remembered, [point(35, 0, 1)], 40_000)).toEqual([point(10, 5, 0), point(30, 0, 2), point(35, 0, 1)]);
});

test('a line never goes back, whatever the server’s clock says', () => {
  const ahead = [
    { at: second(90), pending: 1, running: 1 },
    { at: second(10), pending: 2, running: 0 },
  ];
  expect(queueLine(ahead, [point(20, 3, 0)], 40_000)).toEqual([point(10, 2, 0), point(20, 3, 0)]);
});
