import { expect, test } from 'vitest';
import { HELP, wishOf } from '../../agent/command-line.ts';

test.each([
  [[], 'RUN'],
  [['--check'], 'CHECK'],
  [['--version'], 'VERSION'],
  [['--help'], 'HELP'],
  [['-h', '--check'], 'HELP'],
] as const)('%o is understood as %s', (words, kind) => {
  expect(wishOf(words)).toEqual({ kind });
});

test.each(['--chekc', 'python', '--check=yes', '-x'])('%s is not understood, rather than taken for nothing', (word) => {
  expect(wishOf([word])).toEqual({ kind: 'UNCLEAR', why: expect.stringMatching(/./) as string });
});

test('the help fits a terminal', () => {
  for (const line of HELP.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
});
