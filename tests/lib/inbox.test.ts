import { describe, expect, test } from 'vitest';
import { createInbox } from '../../lib/inbox.ts';

describe('an inbox', () => {
  test('gives all there is at once, in order', async () => {
    const inbox = createInbox<number>(3);
    inbox.push(1);
    inbox.push(2);
    expect(await inbox.take()).toEqual([1, 2]);
  });

  test('wakes who waits for the next', async () => {
    const inbox = createInbox<number>(3);
    const taken = inbox.take();
    inbox.push(1);
    expect(await taken).toEqual([1]);
  });

  test('holds no more than it may: then it is empty, and says so until it is opened anew', async () => {
    const inbox = createInbox<number>(3);
    for (let value = 0; value < 10; value++) inbox.push(value);
    expect(await inbox.take()).toBe('OVERFLOWED');
    expect(await inbox.take()).toBe('OVERFLOWED');
    inbox.open();
    inbox.push(10);
    expect(await inbox.take()).toEqual([10]);
  });

  test('tells an overflow to who waits for the first value', async () => {
    const inbox = createInbox<number>(0);
    const taken = inbox.take();
    inbox.push(1);
    expect(await taken).toBe('OVERFLOWED');
  });

  test('at its end lets go what nobody has taken, and takes nothing more', async () => {
    const inbox = createInbox<number>(3);
    inbox.push(1);
    inbox.end();
    inbox.push(2);
    expect(await inbox.take()).toBeUndefined();
    const waiting = createInbox<number>(3);
    const taken = waiting.take();
    waiting.end();
    expect(await taken).toBeUndefined();
  });
});
