import { expect, test } from 'vitest';
import { storable } from '../../lib/storable.ts';

test('zero characters and halves of surrogate pairs go, all else stays', () => {
  expect(storable('a\0b €\n')).toBe('ab €\n');
  expect(storable('🐕'.slice(1)).isWellFormed()).toBe(true);
});
