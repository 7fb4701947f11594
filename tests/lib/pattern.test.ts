import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern, PatternError } from '../../lib/pattern.ts';

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
