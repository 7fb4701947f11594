import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startProgram } from '../support/program.ts';

const PROGRAM = join(import.meta.dirname, '../../bench/main.ts');

/** What is told by the words alone, within the test's time: no benchmark is that quick. */
test.concurrent.for<[words: string[], code: number, says: RegExp]>([
  [['--help'], 0, /^ {2}fanout {6}How long until those who follow/m],
  [['sync', '--rounds', '3', '--help'], 0, /^Usage: npm run bench -- sync[^]*^ {2}--rounds N .*\(5\)$/m],
  [['claim', '--rounds', '3'], 2, /^Unknown option '--rounds'\n\nUsage: npm run bench -- claim/],
  [['fleet', '--servers', '1,x'], 2, /^--servers\.1: expected a whole number from 1 to 8, got "x"\n\nUsage: .* fleet/],
  [['constructor'], 2, /^Expected the name of a benchmark, got "constructor"\n\nUsage: npm run bench -- NAME/],
])('%j is answered without a measurement', { timeout: 30_000 }, async ([words, code, says], { onTestFinished }) => {
  const program = startProgram(process.execPath, [PROGRAM, ...words], {
    environment: { PATH: process.env.PATH ?? '' },
    workingDirectory: '/',
  });
  onTestFinished(() => program.vanish());
  expect(await program.ended).toEqual({ code, signal: null });
  expect(program.lines.join('\n')).toMatch(says);
});
