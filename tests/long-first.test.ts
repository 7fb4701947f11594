import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LONG } from './support/long-first.ts';

test('each file that is to be begun first is there, and named once', () => {
  expect(LONG.filter((name) => !existsSync(join(import.meta.dirname, '..', name)))).toEqual([]);
  expect(new Set(LONG).size).toBe(LONG.length);
});
