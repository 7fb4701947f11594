import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { inParallel, type Task, untilAborted } from '../../../agent/sync/parallel.ts';
import { always } from './support/bench.ts';

describe('tasks in parallel', () => {
  it('keep to the limit and give their results in order', async () => {
    let running = 0;
    let most = 0;
    const tasks = Array.from({ length: 20 }, (_, index): Task<number> => async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return index;
    });
    expect(await inParallel(tasks, 3, always)).toEqual(tasks.map((_, index) => index));
    expect(most).toBe(3);
  });

  it('abort the others when one fails, and settle only after the last', async () => {
    let others = 0;
    const waits: Task<void> = async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      others += 1;
    };
    const fails: Task<void> = () => Promise.reject(new Error('no'));
    await expect(inParallel([waits, waits, fails, waits], 4, always)).rejects.toThrow('no');
    expect(others).toBe(2);
  });

  it('reject with the reason of the signal', async () => {
    const task: Task<void> = (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('own'))));
    const abort = new AbortController();
    const running = inParallel([task], 1, abort.signal);
    abort.abort(new Error('told to'));
    await expect(running).rejects.toThrow('told to');
  });
});

it('whoever waited with a signal leaves nothing on it, however the waiting ended', async () => {
  const lasting = new AbortController().signal;
  await untilAborted(Promise.resolve(), lasting);
  await expect(untilAborted(Promise.reject(new Error('no')), lasting)).rejects.toThrow('no');
  expect(getEventListeners(lasting, 'abort')).toEqual([]);
});
