import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundedJson, CrowdedJsonError, MOST_JSON_PARTS } from '../../lib/bounded-json.ts';

describe('JSON from outside', () => {
  test('is read as it stands', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(boundedJson(text, text.length)).toEqual(JSON.parse(text));
      }),
    );
  });

  test('is refused exactly when its lists, objects and commas are more than the bound, whatever its strings hold', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(20), (value, most) => {
        // A bound is only looked at where a text is longer than it.
        const text = JSON.stringify(value);
        const isRefused = partsOf(value) > most;
        if (isRefused) expect(() => boundedJson(text, most)).toThrow(CrowdedJsonError);
        else expect(boundedJson(text, most)).toEqual(JSON.parse(text));
      }),
    );
  });

  test.each([
    ['an escaped quote', '["\\",,,,,,"]', 1],
    ['an escaped backslash before the quote', '["\\\\",1,2]', 3],
    ['quotes and commas', JSON.stringify({ a: '"a","b",\\"c\\",' }), 1],
  ])('of strings with %s, no comma counts', (_what, text, parts) => {
    expect(boundedJson(text, parts)).toEqual(JSON.parse(text));
    expect(() => boundedJson(text, parts - 1)).toThrow('at most');
  });

  test('that breaks off within a string is told to be none', () => {
    expect(() => boundedJson('{"a,,,,,,', 2)).toThrow(SyntaxError);
    expect(() => boundedJson('{"a,,,,,,\\"', 2)).toThrow(SyntaxError);
  });

  test('may be a thousand jobs with all the sync entries that a job may have', () => {
    const entry = {
      bucket: 'b',
      prefix: 'p/',
      local_path: 'l',
      direction: 'upload',
      pattern: '*',
      pattern_syntax: 'glob',
    };
    const entries = Array.from({ length: 32 }, () => entry);
    const job = {
      ...{ command: 'c', container_group_id: 'g', arguments: ['a', 'b'], environment: { A: '1', B: '2' }, priority: 1 },
      ...{ labels: { a: 'b' }, sync: { before: entries, during: entries, after: entries } },
    };
    const text = JSON.stringify(Array.from({ length: 1_000 }, () => job));
    expect(text.length).toBeGreaterThan(MOST_JSON_PARTS);
    expect(boundedJson(text)).toHaveLength(1_000);
  });

  test('may be a thousand jobs with a thousand short arguments each', () => {
    const job = { command: 'c', container_group_id: 'g', arguments: Array.from({ length: 1_000 }, () => '--a') };
    expect(boundedJson(JSON.stringify(Array.from({ length: 1_000 }, () => job)))).toHaveLength(1_000);
  });

  test('that is made to be read for long is not read', () => {
    const text = `[${'{},'.repeat(MOST_JSON_PARTS)}{}]`;
    expect(() => boundedJson(text)).toThrow('at most 3000000 lists, objects and commas');
  });
});

function partsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const members: unknown[] = Object.values(value);
  return members.reduce<number>((sum, member) => sum + partsOf(member), 1 + Math.max(0, members.length - 1));
}
