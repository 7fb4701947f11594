import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ENOUGH_FAULTS, listOf, MORE_FAULTS, recordOf } from '../../lib/few-faults.ts';

/** Sound when it is even, and counts how many were looked at; the second waits as a router's parsing does. */
function counting() {
  const looks = { count: 0 };
  const even = z.number().refine((value) => {
    looks.count += 1;
    return value % 2 === 0;
  }, 'odd');
  return { looks, even };
}

const odd = (count: number): number[] => Array.from({ length: count }, () => 1);

describe.each([
  ['at once', async (schema: z.ZodType, value: unknown) => schema.safeParse(value)],
  ['waiting for each', (schema: z.ZodType, value: unknown) => schema.safeParseAsync(value)],
])('a list that is parsed %s', (_, parse) => {
  test('is looked at until enough is wrong with it, and says so', async () => {
    const { looks, even } = counting();
    const { error } = await parse(z.object({ list: listOf(even.transform(String)) }), { list: odd(10_000) });
    expect(looks.count).toBe(ENOUGH_FAULTS);
    expect(error?.issues).toHaveLength(ENOUGH_FAULTS + 1);
    expect(error?.issues[ENOUGH_FAULTS - 1]).toMatchObject({ path: ['list', ENOUGH_FAULTS - 1], message: 'odd' });
    expect(error?.issues.at(-1)).toMatchObject({ path: ['list'], message: MORE_FAULTS });
  });

  test('within a list ends that one too, with one word of it', async () => {
    const { looks, even } = counting();
    const lists = Array.from({ length: 1_000 }, () => ({ inner: odd(10_000) }));
    const { error } = await parse(listOf(z.object({ inner: listOf(even.transform(String)) })), lists);
    expect(looks.count).toBe(ENOUGH_FAULTS);
    expect(error?.issues.filter(({ message }) => message === MORE_FAULTS).map(({ path }) => path)).toEqual([
      [0, 'inner'],
    ]);
  });

  test('of parts that have a few faults each ends between two of them', async () => {
    const { looks, even } = counting();
    const lists = Array.from({ length: 1_000 }, () => odd(30));
    const { error } = await parse(listOf(listOf(even.transform(String))), lists);
    expect(looks.count).toBe(120);
    expect(error?.issues.at(-1)).toMatchObject({ path: [], message: MORE_FAULTS });
  });

  test('is what zod makes of it where few are wrong, or none', async () => {
    const schema = (list: typeof listOf) => list(z.number().transform(String)).min(1).max(5);
    for (const value of [[], [1, 2], [1, 'a', 3, 'b'], odd(6), 'no list', null]) {
      const ours = await parse(schema(listOf), value);
      const theirs = await parse(
        schema((element) => z.array(element)),
        value,
      );
      expect([ours.data, ours.error?.issues]).toEqual([theirs.data, theirs.error?.issues]);
    }
  });

  test('is not looked at when it is too long', async () => {
    const { looks, even } = counting();
    const { error } = await parse(listOf(even).max(99, { error: 'too long' }), odd(100));
    expect([looks.count, error?.issues.map(({ message }) => message)]).toEqual([0, ['too long']]);
  });
});

describe('a record', () => {
  const members = (count: number, value: unknown = 1) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]));

  test('is looked at until enough is wrong with it, and not at all when it is too large', () => {
    const { looks, even } = counting();
    const record = recordOf(z.string(), even, 500);
    const { error } = record.safeParse(members(500));
    expect(looks.count).toBe(ENOUGH_FAULTS);
    expect(error?.issues.at(-1)).toMatchObject({ path: [], message: MORE_FAULTS });
    expect(record.safeParse(members(501)).error?.issues).toMatchObject([{ message: 'Expected at most 500 entries' }]);
    expect(looks.count).toBe(ENOUGH_FAULTS);
  });

  test('is what zod makes of it where few are wrong, or none', () => {
    const [key, value] = [z.string().max(3), z.number().transform(String)];
    for (const given of [
      {},
      { a: 1, b: 2 },
      { a: 1, long: 2, c: 'x' },
      JSON.parse('{"__proto__": 1, "a": 2}'),
      1,
      [],
    ]) {
      const ours = recordOf(key, value, 10).safeParse(given);
      const theirs = z.record(key, value).safeParse(given);
      expect([ours.data, ours.error?.issues]).toEqual([theirs.data, theirs.error?.issues]);
    }
  });
});
