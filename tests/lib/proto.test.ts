import { expect, test } from 'vitest';
import { placeOfProto } from '../../lib/proto.ts';

test.each([
  ['{"__proto__":1}', ['__proto__']],
  ['{"a":[{},{"b":{"__proto__":{}}}]}', ['a', 1, 'b', '__proto__']],
  ['{"\\u005f\\u005fproto\\u005f\\u005f":1}', ['__proto__']],
  ['{"a":"__proto__","constructor":1,"b":["__proto__"]}', undefined],
  ['null', undefined],
  ['"__proto__"', undefined],
])('%s has it at %j', (text, path) => {
  expect(placeOfProto(JSON.parse(text))).toEqual(path);
});

test('a value nested as deeply as a body allows is looked through', () => {
  const deep = `${'['.repeat(200_000)}{"__proto__":1}${']'.repeat(200_000)}`;
  expect(placeOfProto(JSON.parse(deep))).toHaveLength(200_001);
});
