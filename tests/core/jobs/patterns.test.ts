import { afterEach, describe, expect, test, vi } from 'vitest';
import { RE2JS } from 're2js';
import { checkPatterns, MOST_COST } from '../../../core/jobs/patterns.ts';
import { ENOUGH_FAULTS, MORE_FAULTS } from '../../../lib/few-faults.ts';
import { compilationCost } from '../../../lib/pattern.ts';
import type { Sync } from '../../../db/entities/job.ts';

const compile = vi.spyOn(RE2JS, 'compile');
afterEach(() => compile.mockClear());

/** Each job with some patterns, and what is told of them. */
function check(jobs: readonly (readonly string[])[]): [job: number, place: (string | number)[], fault: string][] {
  const told: ReturnType<typeof check> = [];
  checkPatterns(jobs.map(jobWith), (...fault) => told.push(fault));
  return told;
}

function jobWith(patterns: readonly string[]): { sync: Sync } {
  const entries = patterns.map((pattern) => ({
    ...{ bucket: 'b', prefix: '', localPath: '/d', direction: 'UPLOAD' as const },
    ...{ pattern, patternSyntax: null },
  }));
  return { sync: { before: [], during: entries, after: [] } };
}

/** Dear ones, none like another. */
const dear = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `(a|${from + index}|b){0,900}`);

describe('the patterns of a request', () => {
  test('are told of by job and place', () => {
    expect(check([['*.bin', '('], [], ['a', 'b', '(']])).toEqual([
      [0, ['sync', 'during', 1, 'pattern'], expect.stringContaining('(')],
      [2, ['sync', 'during', 2, 'pattern'], expect.stringContaining('(')],
    ]);
  });

  test('are compiled once each, and plain ones never', () => {
    const jobs = Array.from({ length: 500 }, (_, index) => [`run-${index}-*.bin`, 'once-{1..9}.pt', '*']);
    expect([check(jobs), check(jobs)]).toEqual([[], []]);
    expect(compile).toHaveBeenCalledTimes(1);
  });

  test('are refused, and no further looked at, where they would take long together', () => {
    const each = compilationCost('(a|100|b){0,900}');
    const fit = Math.floor(MOST_COST / each);
    const jobs = Array.from({ length: 400 }, (_, index) => dear(100 + 2 * index, 2));
    const told = check(jobs);
    expect(told).toEqual([
      [Math.floor(fit / 2), ['sync', 'during', fit % 2, 'pattern'], expect.stringContaining('too long')],
    ]);
    // The same again is refused as before, though its patterns are known; a part of it is not.
    expect([check(jobs), check(jobs.slice(0, 20))]).toEqual([told, []]);
    expect(compile).toHaveBeenCalledTimes(fit);
  });

  test('are refused one by one where one alone would', () => {
    expect(check([['{a.{999}'.repeat(31)]])).toMatchObject([[0, ['sync', 'during', 0, 'pattern'], {}]]);
    expect(compile).not.toHaveBeenCalled();
  });

  test('are not looked at any more once enough is wrong', () => {
    const told = check(Array.from({ length: 1_000 }, () => ['(']));
    expect(told).toHaveLength(ENOUGH_FAULTS + 1);
    expect(told.at(-1)).toEqual([ENOUGH_FAULTS - 1, [], MORE_FAULTS]);
  });
});
