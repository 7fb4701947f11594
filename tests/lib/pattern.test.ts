import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, it, vi } from 'vitest';
import { compilationCost, compilePattern, isPlainGlob, PatternError } from '../../lib/pattern.ts';

describe('a pattern without a declared syntax', () => {
  it.each([
    // pattern, path, expected
    ['checkpoint-*', 'checkpoint-12', true],
    ['checkpoint-*', 'deep/checkpoint-12', true],
    ['checkpoint-*', 'my-checkpoint-12', false],
    ['*.bin', 'weights.bin', true],
    ['*.bin', 'a/b/weights.bin', true],
    ['*.bin', 'weights.bin.tmp', false],
    ['*.bin', '.bin', true],
    ['a/*.bin', 'a/x.bin', true],
    ['a/*.bin', 'a/b/x.bin', false],
    ['a/*.bin', 'b/a/x.bin', false],
    ['**/*.bin', 'x.bin', true],
    ['**/*.bin', 'a/b/x.bin', true],
    ['out/**', 'out/a/b', true],
    ['out/**', 'in/a', false],
    ['{a,b}.txt', 'b.txt', true],
    ['step-{8..11}', 'step-10', true],
    ['step-{8..11}', 'step-1', false],
    ['step-{08..11}', 'step-09', true],
    ['[!a]?', 'bc', true],
    ['[!a]?', 'ac', false],
    ['!*.tmp', 'a/b.pt', true],
    ['!*.tmp', 'a/b.tmp', false],
    ['*', 'two\nlines', true],
    ['*.bin', 'two\nlines.bin', true],
    ['**', 'any/thing', true],
    ['naïve *', 'naïve ☃', true],
    // A regular expression, by its look; searched, not anchored.
    ['\\.bin$', 'a/weights.bin', true],
    ['\\.bin$', 'weights.bin2', false],
    ['.*', 'anything', true],
    ['ckpt.+pt', 'a/ckpt-1.pt', true],
    ['^a/', 'b/a/c', false],
    ['(pt|bin)', 'x/model.pt', true],
    ['checkpoint-\\d+', 'checkpoint-x', false],
    // Looks like a regular expression, is none anywhere, so it is a glob.
    ['*.bin|*.pt', 'model.pt', true],
    ['C++ *.txt', 'C++ notes.txt', true],
  ])('%j on %j is %s', (pattern, path, expected) => {
    expect(compilePattern(pattern)(path)).toBe(expected);
  });
});

describe('a declared syntax', () => {
  it('settles what the look would get wrong', () => {
    expect(compilePattern('a.c', 'regex')('xabcx')).toBe(true);
    expect(compilePattern('a.c', 'glob')('abc')).toBe(false);
    expect(compilePattern('x(1).txt', 'regex')('x1_txt')).toBe(true);
    expect(compilePattern('a+b', 'glob')('a+b')).toBe(true);
  });
});

describe('a pattern that cannot be used', () => {
  it.each(['(', '[', '*(', '{a', 'a(?=b)', '(a)\\1', '(?<n>a)\\k<n>', '', 'x'.repeat(2000), '{1..99999999}', '!(a)'])(
    '%j is refused with a reason',
    (pattern) => {
      expect(() => compilePattern(pattern, pattern === '!(a)' ? 'glob' : undefined)).toThrow(PatternError);
    },
  );
});

describe('a range of numbers', () => {
  const number = fc.nat({ max: 900 });

  it('matches its members and no other number, with zeros before them where an end has some', () => {
    fc.assert(
      fc.property(number, fc.nat({ max: 400 }), fc.nat({ max: 5 }), fc.boolean(), (from, length, width, isTurned) => {
        const ends = [from, from + length].map((end) => String(end).padStart(width, '0'));
        const isPadded = ends.some((end) => /^0\d/.test(end));
        const widest = isPadded ? Math.max(...ends.map((end) => end.length)) : 0;
        const matches = compilePattern(`{${(isTurned ? ends.reverse() : ends).join('..')}}`, 'glob');
        for (const tried of [from - 1, from, from + (length >> 1), from + length, from + length + 1]) {
          const isMember = tried >= from && tried <= from + length;
          expect([tried, matches(String(tried).padStart(widest, '0'))]).toEqual([tried, isMember]);
        }
        expect(matches(`${from}000000`)).toBe(false);
      }),
    );
  });

  it('is turned into a few classes, not into its members', () => {
    const compiled = vi.spyOn(RE2JS, 'compile');
    compilePattern('step-{1..999}*', 'glob');
    compilePattern('step-{0017..1016}*', 'glob');
    for (const [source] of compiled.mock.calls) expect(source.length).toBeLessThan(200);
    expect(compiled).toHaveBeenCalledTimes(2);
    compiled.mockRestore();
  });

  it('of letters matches those', () => {
    const matches = compilePattern('{c..a}', 'glob');
    expect(['a', 'b', 'c', 'd', 'B', '-'].map(matches)).toEqual([true, true, true, false, false, false]);
  });
});

describe('braces that somebody has made up', () => {
  it('are counted in one pass, whatever stands in them', () => {
    const began = process.cpuUsage();
    for (const inside of [' ', '1', ' 1', '{', ',', '{ 1'])
      expect(compilationCost(`{${inside.repeat(330)}NNN`)).toBeGreaterThan(0);
    for (const syntax of ['glob', 'regex', undefined] as const) {
      try {
        compilePattern(`{${' '.repeat(1_000)}NNN`, syntax);
      } catch (error) {
        expect(error).toBeInstanceOf(PatternError);
      }
    }
    // With a text of this length, trying every way to share the spaces takes minutes.
    expect(process.cpuUsage(began).user / 1e6).toBeLessThan(5);
  });

  it.each(['x{999}{999}', '{1..999}{1..999}', '{ 20 , 30 }{99..1}{9}'])('%s stands for too much', (pattern) => {
    expect(() => compilePattern(pattern)).toThrow('repeat that much');
  });

  it('cost what they stand for, closed or not', () => {
    expect(compilationCost('a{1000}')).toBeGreaterThan(1_000);
    expect(compilationCost(`({a{1000}${'a'.repeat(200)}`)).toBeGreaterThan(200_000);
    expect(compilationCost('\\pL'.repeat(84))).toBeGreaterThan(50 * compilationCost('abc'.repeat(2)));
    expect(compilationCost('(?i)[a-\u{10ffff}]')).toBeGreaterThan(100 * compilationCost('(?i)[a-z\u{10ffff}]'));
  });

  it('cost no more than an engine repeats, and ranges of numbers next to nothing', () => {
    expect(compilationCost('{a{1000}{a{1000}')).toBeLessThan(20_000);
    expect(compilationCost('{ckpt_{0..499},model_{0..499}}.bin')).toBeLessThan(1_000);
    for (const nested of ['(a{40}){30}', '(?:{a{1000}){2}']) {
      expect(() => compilePattern(nested, 'regex')).toThrow('invalid repeat count');
    }
  });
});

describe('a plain glob', () => {
  it('needs no compiler to be known as sound', () => {
    const characters = fc.constantFrom(...Array.from('ab_9é☃ ./*?-=,@:%~#{}()[]!+^$|\\'));
    fc.assert(
      fc.property(fc.string({ unit: characters, minLength: 1, maxLength: 12 }), (pattern) => {
        if (!isPlainGlob(pattern)) return;
        expect(compilePattern(pattern)).toBeTypeOf('function');
        expect(compilePattern(pattern, 'glob')).toBeTypeOf('function');
      }),
      { numRuns: 2_000 },
    );
    const plain = ['*.bin', 'a/**/step-?.pt', '/a', 'run-1/epoch=*-step=*.ckpt', 'größe@2:1,5~#%.pt'];
    expect(plain.filter((pattern) => !isPlainGlob(pattern))).toEqual([]);
    expect(['.*', '/', '{a,b}', '(', ''].map(isPlainGlob)).toEqual([false, false, false, false, false]);
  });
});

describe('any pattern', () => {
  const piece = fc.constantFrom(
    '*',
    '**',
    '?',
    'a',
    'b',
    '/',
    '[ab]',
    '[!a]',
    '{a,b}',
    '{1..3}',
    '(',
    ')',
    '+',
    '.*',
    '\\',
    '|',
    '^',
  );
  const pattern = fc.array(piece, { minLength: 1, maxLength: 30 }).map((pieces) => pieces.join(''));

  it('is refused by a PatternError or answers quickly, whatever the path', () => {
    fc.assert(
      fc.property(pattern, fc.constantFrom(undefined, 'glob' as const, 'regex' as const), (source, syntax) => {
        const matches = compiled(source, syntax);
        const began = performance.now();
        matches?.('a'.repeat(2000) + '/' + 'ab'.repeat(1000) + '!');
        // A backtracking engine needs longer than the universe has for some of these.
        expect(performance.now() - began).toBeLessThan(2000);
      }),
      { numRuns: 300 },
    );
  });

  it('without special characters matches exactly its own name', () => {
    const name = fc.stringMatching(/^[a-z0-9 _#%~é☃-]{1,12}$/);
    fc.assert(
      fc.property(name, name, (own, other) => {
        expect(compilePattern(own)(`dir/${own}`)).toBe(true);
        expect(compilePattern(own)(other)).toBe(own === other);
      }),
    );
  });

  function compiled(source: string, syntax: 'glob' | 'regex' | undefined) {
    try {
      return compilePattern(source, syntax);
    } catch (error) {
      expect(error).toBeInstanceOf(PatternError);
      return undefined;
    }
  }
});
