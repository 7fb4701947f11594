import { afterEach, describe, expect, test, vi } from 'vitest';
import { RE2JS } from 're2js';
import { checkPatterns, MOST_COST } from '../../../core/jobs/patterns.ts';
import { ENOUGH_FAULTS, MORE_FAULTS } from '../../../lib/few-faults.ts';
import { compilationCost } from '../../../lib/pattern.ts';
import type { Sync } from '../../../db/entities/job.ts';

const compileForReal = RE2JS.compile.bind(RE2JS);
const compile = vi.spyOn(RE2JS, 'compile');
afterEach(() => compile.mockReset());

/** Each job with some patterns, and what is told of them. */
async function check(jobs: readonly (readonly string[])[]): Promise<Told[]> {
  const told: Told[] = [];
  await checkPatterns(jobs.map(jobWith), (...fault) => told.push(fault));
  return told;
}
type Told = [job: number, place: (string | number)[], fault: string];

function jobWith(patterns: readonly string[]): { sync: Sync } {
  const entries = patterns.map((pattern) => ({
    ...{ bucket: 'b', prefix: '', localPath: '/d', direction: 'UPLOAD' as const },
    ...{ pattern, patternSyntax: null },
  }));
  return { sync: { before: [], during: entries, after: [] } };
}

/** Of the highest cost, none like another: what the braces could repeat is counted, though in these they repeat nothing. */
const dear = (index: number) => `{{0,999},${'x'.repeat(235)}${1_000 + index}}`;
/** As `count` jobs have them. */
const batch = (count: number, patternsOf: (name: string) => string[]) =>
  Array.from({ length: count }, (_, index) => patternsOf(`run-${String(index).padStart(4, '0')}`));

describe('the patterns of a request', () => {
  test('are told of by job and place', async () => {
    expect(await check([['*.bin', '('], [], ['a', 'b', '(']])).toEqual([
      [0, ['sync', 'during', 1, 'pattern'], expect.stringContaining('(')],
      [2, ['sync', 'during', 2, 'pattern'], expect.stringContaining('(')],
    ]);
  });

  test('are compiled once each, and plain ones never', async () => {
    const jobs = batch(500, (name) => [`${name}-*.bin`, `${name}/epoch=*-step=*.ckpt`, 'once-{1..9}.pt', '*']);
    expect([await check(jobs), await check(jobs)]).toEqual([[], []]);
    expect(compile).toHaveBeenCalledTimes(1);
  });

  test('may be others in each of 1,000 jobs', async () => {
    const jobs = batch(1_000, (name) => [`${name}/epoch=*-größe=*.ckpt`, `${name}/[a-z]*.pt`, `${name}/*/*.pt`]);
    expect(await check(jobs)).toEqual([]);
    expect(compile).toHaveBeenCalledTimes(1_000);
  });

  test.each([
    'run-0001/{model,optimizer}-{0..500}.{pt,bin}',
    '^run-0001/epoch=\\d+-step=\\d+\\.ckpt$',
    '[a-z]/größe@*.pt',
  ])('may be others in each of 32 entries of 1,000 jobs, as %s', (pattern) =>
    expect(32_000 * compilationCost(pattern)).toBeLessThan(MOST_COST),
  );

  test('are compiled a few at a time, so that others have their turns, also while several requests are checked', async () => {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const requests = ['a', 'b', 'c'].map((name) => batch(20, (run) => [`(${name}|${run}){0,300}`]));
    const compiledIn = new Set<number>();
    compile.mockImplementation((...args) => {
      compiledIn.add(turns);
      return compileForReal(...args);
    });
    expect(await Promise.all(requests.map(check))).toEqual([[], [], []]);
    clearImmediate(next);
    expect(compiledIn.size).toBeGreaterThan(3);
  });

  test('are refused, and no further looked at, where they would take long together', async () => {
    const fit = Math.floor(MOST_COST / compilationCost(dear(0)));
    const jobs = Array.from({ length: 400 }, (_, index) => [dear(2 * index), dear(2 * index + 1)]);
    const told = await check(jobs);
    expect(told).toEqual([
      [Math.floor(fit / 2), ['sync', 'during', fit % 2, 'pattern'], expect.stringContaining('too long')],
    ]);
    // The same again is refused as before, though its patterns are known; a part of it is not.
    expect([await check(jobs), await check(jobs.slice(0, 20))]).toEqual([told, []]);
    expect(compile).toHaveBeenCalledTimes(fit);
  });

  test('are taken one by one where the braces of one only look dear', async () => {
    expect(await check([['{ckpt_{0..499},model_{0..499}}.bin', '{a,{1,900},{3,80}}']])).toEqual([]);
  });

  test('are refused one by one where one alone would', async () => {
    expect(await check([['{a.{999}'.repeat(31)]])).toMatchObject([[0, ['sync', 'during', 0, 'pattern'], {}]]);
    expect(compile).not.toHaveBeenCalled();
  });

  test('are not looked at any more once enough is wrong', async () => {
    const told = await check(Array.from({ length: 1_000 }, () => ['(']));
    expect(told).toHaveLength(ENOUGH_FAULTS + 1);
    expect(told.at(-1)).toEqual([ENOUGH_FAULTS - 1, [], MORE_FAULTS]);
  });
});
