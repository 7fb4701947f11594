import { expect, test } from 'vitest';
import { latest, readerOf } from '../../lib/latest.ts';

test('a reader that is in time sees every value', async () => {
  const queue = latest<number>();
  const seen: number[] = [];
  for (const value of [1, 2, 3]) {
    queue.push(value);
    const step = await queue.next();
    if (step.done !== true) seen.push(step.value);
  }
  expect(seen).toEqual([1, 2, 3]);
});

test('a reader that waits is woken', async () => {
  const queue = latest<string>();
  const next = queue.next();
  queue.push('here');
  expect(await next).toEqual({ done: false, value: 'here' });
});

test('a slow reader sees the newest value, once', async () => {
  const queue = latest<number>();
  for (let value = 0; value < 1_000; value++) queue.push(value);
  expect(await queue.next()).toEqual({ done: false, value: 999 });
  const next = queue.next();
  queue.end();
  expect(await next).toEqual({ done: true, value: undefined });
});

test('unread values are merged where the caller says how', async () => {
  const queue = latest<string[]>((unread, next) => [...unread, ...next]);
  queue.push(['a']);
  queue.push(['b']);
  queue.push(['c']);
  expect(await queue.next()).toEqual({ done: false, value: ['a', 'b', 'c'] });
  queue.push(['d']);
  expect(await queue.next()).toEqual({ done: false, value: ['d'] });
});

test('what was pushed before the end is still read, what comes after is not', async () => {
  const queue = latest<number>();
  queue.push(1);
  queue.end();
  queue.push(2);
  const seen: number[] = [];
  for await (const value of queue) seen.push(value);
  expect(seen).toEqual([1]);
});

test('a reader that leaves leaves nothing unread behind', async () => {
  const queue = latest<number>();
  for (const value of [1, 2]) queue.push(value);
  for await (const value of queue) {
    expect(value).toBe(2);
    queue.push(3);
    break;
  }
  expect(await queue.next()).toEqual({ done: true, value: undefined });
});

test('a generator that waits for the next value ends as soon as its reader leaves, its finally included', async () => {
  const queue = latest<number>();
  let tidied = false;
  async function* doubled(): AsyncGenerator<number, void, undefined> {
    try {
      for await (const value of queue) yield 2 * value;
    } finally {
      tidied = true;
    }
  }
  const reader = readerOf(queue, doubled());
  queue.push(4);
  expect(await reader.next()).toEqual({ done: false, value: 8 });
  const waiting = reader.next();
  await reader.return();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(tidied).toBe(true);
});

test('a generator whose reader gives up with an error ends as well', async () => {
  const queue = latest<number>();
  const reader = readerOf(
    queue,
    (async function* () {
      for await (const value of queue) yield value;
    })(),
  );
  const waiting = reader.next();
  await expect(reader.throw(new Error('enough'))).rejects.toThrow('enough');
  expect(await waiting).toEqual({ done: true, value: undefined });
});
