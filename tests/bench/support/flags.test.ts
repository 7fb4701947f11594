import { expect, test } from 'vitest';
import { directory, number, numbers, oneOf, someOf, toggle } from '../../../bench/support/flags.ts';

const range = { whole: true, min: 1, max: 8 };

test('each flag says what it is when it is not given, and that it may be', () => {
  for (const flag of [number('n', 3, range), numbers('n', [1, 3], range), someOf('w', ['a', 'b']), toggle('t')]) {
    expect(flag.schema.safeParse(flag.option.default).success).toBe(true);
  }
  expect(number('so many', 3, range).says).toBe('so many (3)');
  expect(numbers('so many', [1, 3], range).schema.parse('1,3')).toEqual([1, 3]);
  expect(someOf('some', ['a', 'b']).schema.parse(someOf('some', ['a', 'b']).option.default)).toEqual(['a', 'b']);
  expect(oneOf('one', ['a', 'b']).schema.parse(undefined)).toBeUndefined();
  expect(directory('where').schema.parse(undefined)).toBeUndefined();
});

test.each([
  [number('n', 3, range), '9'],
  [number('n', 3, range), '1.5'],
  [number('n', 3, range), ''],
  [numbers('n', [1], range), '1,'],
  [oneOf('w', ['a', 'b']), 'c'],
  [someOf('w', ['a', 'b']), 'a,c'],
  [directory('where'), ''],
])('%j is not given as %j', (flag, text) => {
  expect(flag.schema.safeParse(text).success).toBe(false);
});
