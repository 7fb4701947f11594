import { describe, expect, it } from 'vitest';
import { createSlots } from '../../lib/slots.ts';

const always = new AbortController().signal;

describe('slots', () => {
  it('are given to so many at once, in turn, and not to whom is no longer waiting', async () => {
    const slots = createSlots(1);
    const first = Promise.withResolvers<undefined>();
    const order: string[] = [];
    const task = (name: string) => async () => void order.push(name);
    const abort = new AbortController();
    const holding = slots.hold(always, () => first.promise);
    const gone = slots.hold(abort.signal, task('gone'));
    const last = slots.hold(always, task('last'));
    abort.abort(new Error('told to'));
    await expect(gone).rejects.toThrow('told to');
    expect(order).toEqual([]);
    first.resolve(undefined);
    await Promise.all([holding, last]);
    await slots.hold(always, task('another'));
    expect(order).toEqual(['last', 'another']);
  });

  it('go to who wants many before who came later and wants few, and to who wants more than there are, alone', async () => {
    const slots = createSlots(4);
    const order: string[] = [];
    const first = Promise.withResolvers<undefined>();
    const note = (name: string, places: number) => slots.hold(always, async () => void order.push(name), places);
    const holding = slots.hold(always, () => first.promise, 2);
    const all = [note('huge', 10), note('small', 1)];
    await Promise.resolve();
    expect(order).toEqual([]);
    first.resolve(undefined);
    await Promise.all([holding, ...all]);
    expect(order).toEqual(['huge', 'small']);
    expect(slots.isFull()).toBe(false);
  });

  it('let in who waits when there are more of them', async () => {
    const slots = createSlots(1);
    const free = await slots.take(always);
    const second = slots.take(always);
    slots.setLimit(2);
    (await second)();
    free();
  });
});
