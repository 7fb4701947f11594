import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundedMap } from '../../lib/bounded-map.ts';

describe('a bounded map', () => {
  test('is what a list of the last used is, for any use of it', () => {
    const use = fc.tuple(fc.constantFrom('get', 'set'), fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.nat(9));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(use, { maxLength: 60 }), (max, uses) => {
        const gone: string[] = [];
        const map = boundedMap<number>(max, (key) => gone.push(key));
        /** The last used last. */
        let model: [string, number][] = [];
        const lost: string[] = [];
        for (const [verb, key, value] of uses) {
          const known = model.find(([name]) => name === key);
          if (verb === 'get') expect(map.get(key)).toBe(known?.[1]);
          else map.set(key, value);
          const next = verb === 'set' ? value : known?.[1];
          if (next !== undefined) model = [...model.filter(([name]) => name !== key), [key, next]];
          if (model.length > max) lost.push(model.shift()![0]);
          expect([map.size, gone]).toEqual([model.length, lost]);
        }
      }),
    );
  });

  test('counts what its entries weigh, and what replaces one in its place', () => {
    const map = boundedMap<string>(10, undefined, (key, value) => key.length + value.length);
    map.set('a', '1234');
    map.set('b', '1234');
    map.set('a', '123');
    expect([map.get('b'), map.get('a'), map.size]).toEqual(['1234', '123', 2]);
    map.set('c', '1');
    expect([map.get('b'), map.get('a'), map.get('c')]).toEqual([undefined, '123', '1']);
    map.set('d', '12345678901');
    expect(map.size).toBe(0);
    map.set('e', '123456789');
    expect(map.get('e')).toBe('123456789');
  });
});
