import { describe, expect, test } from 'vitest';
import { createFairSlots, type Lane } from '../../lib/fair-slots.ts';

const always = new AbortController().signal;

/** Places for which tasks are noted in the order in which they got one; `release` lets all go on. */
function gated(options: { atOnce?: number; mostOfGroup?: number; mostWaiting?: number } = {}) {
  const slots = createFairSlots({ atOnce: 1, mostWaiting: 100, crowded: () => new Error('crowded'), ...options });
  const gate = Promise.withResolvers<undefined>();
  const order: string[] = [];
  const enter = (lane: Lane, name: string, signal = always) =>
    slots.hold(lane, signal, async () => {
      order.push(name);
      await gate.promise;
    });
  return { slots, order, enter, release: () => gate.resolve(undefined) };
}

const lane = (group: string, name = 'key'): Lane => ({ group, name });

describe('fair slots', () => {
  test('go to groups in turns, and in a group to its lanes in turns, whoever has the longer queue', async () => {
    const { order, enter, release } = gated();
    const all = [enter(lane('flood'), 'first')];
    for (let n = 1; n <= 3; n++) all.push(enter(lane('flood'), `flood ${n}`));
    for (let n = 1; n <= 2; n++) all.push(enter(lane('flood', 'other key'), `other key ${n}`));
    for (let n = 1; n <= 2; n++) all.push(enter(lane('quiet'), `quiet ${n}`));
    release();
    await Promise.all(all);
    expect(order).toEqual([
      ...['first', 'flood 1', 'quiet 1', 'other key 1', 'quiet 2'],
      ...['flood 2', 'other key 2', 'flood 3'],
    ]);
  });

  test('are so many at a time, also when a task fails', async () => {
    const { slots, order, enter, release } = gated({ atOnce: 2 });
    await expect(slots.hold(lane('a'), always, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    const all = ['one', 'two', 'three'].map((name) => enter(lane('a'), name));
    await Promise.resolve();
    expect(order).toEqual(['one', 'two']);
    release();
    await Promise.all(all);
    expect(order).toEqual(['one', 'two', 'three']);
    await enter(lane('a'), 'four');
  });

  test('are refused to who finds too many of its lane waiting, and to nobody else', async () => {
    const { order, enter, release } = gated({ mostWaiting: 2 });
    const all = ['one', 'two', 'three'].map((name) => enter(lane('a'), name));
    await expect(enter(lane('a'), 'four')).rejects.toThrow('crowded');
    all.push(enter(lane('a', 'other key'), 'other key'));
    release();
    await Promise.all(all);
    expect(order).toEqual(['one', 'two', 'other key', 'three']);
    await enter(lane('a'), 'again');
  });

  test('are not waited for by who has gone, whose place in the queue is free at once', async () => {
    const { order, enter, release } = gated({ mostWaiting: 1 });
    const leaving = new AbortController();
    const all = [enter(lane('a'), 'one')];
    const gone = enter(lane('a'), 'gone', leaving.signal);
    leaving.abort(new Error('hung up'));
    await expect(gone).rejects.toThrow('hung up');
    await expect(enter(lane('a'), 'gone before', leaving.signal)).rejects.toThrow('hung up');
    all.push(enter(lane('a'), 'two'));
    release();
    await Promise.all(all);
    expect(order).toEqual(['one', 'two']);
  });

  test('are of one group so many at most: the others have the rest, however long its queue is', async () => {
    const { slots, order, enter, release } = gated({ atOnce: 3, mostOfGroup: 2 });
    const all = ['one', 'two', 'three'].map((name) => enter(lane('flood'), name));
    all.push(enter(lane('quiet'), 'quiet'));
    await Promise.resolve();
    expect(order).toEqual(['one', 'two', 'quiet']);
    expect(slots.takeFree(lane('quiet'))).toBeUndefined();
    release();
    await Promise.all(all);
    expect(order).toEqual(['one', 'two', 'quiet', 'three']);
    const free = ['a', 'a', 'a', 'b'].map((group) => slots.takeFree(lane(group)));
    expect(free.map((giveBack) => giveBack !== undefined)).toEqual([true, true, false, true]);
    const waiting = slots.take(lane('a'), always);
    free[0]?.();
    (await waiting)();
  });
});
