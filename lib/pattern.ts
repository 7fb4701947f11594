import picomatch from 'picomatch';
import { RE2JS } from 're2js';
import { messageOf } from './errors.ts';

/** A pattern that cannot be used; the message says why and what to write instead. */
export class PatternError extends Error {
  override name = 'PatternError';
}

const LONGEST_PATTERN = 1024;
const LONGEST_RANGE = 1000;
/** Characters of a pattern with all its repetitions written out: above this, compiling takes noticeable time. */
const LARGEST_EXPANSION = 20_000;

/**
 * Makes the test that a sync entry's pattern stands for; it is asked with a path relative to the entry's directory, `/`
 * between its parts. Without `syntax` the pattern's own look decides. Matching takes time linear in the path, whatever
 * the pattern. Throws PatternError for a pattern that is neither a regular expression nor a glob.
 */
export function compilePattern(pattern: string, syntax?: 'glob' | 'regex'): (relativePath: string) => boolean {
  if (pattern === '') throw new PatternError('a pattern must not be empty; leave it out to match every file');
  if (pattern.length > LONGEST_PATTERN) {
    throw new PatternError(`a pattern has at most ${LONGEST_PATTERN} characters; this one has ${pattern.length}`);
  }
  if (expansion(pattern) > LARGEST_EXPANSION) {
    throw new PatternError('a pattern must not repeat that much: make its {…} counts and ranges smaller');
  }
  switch (syntax) {
    case 'glob':
      return compileGlob(pattern);
    case 'regex':
      return compileRegex(pattern);
    case undefined:
      return compileByLook(pattern);
  }
}

/** At most so many characters does a pattern stand for, were every `{n}`, `{n,m}` and `{a..b}` inside every other. */
function expansion(pattern: string): number {
  const counts = [...pattern.matchAll(/\{\s*(\d+)?\s*(?:,|\.\.)?\s*(\d+)?[^}]*\}/g)].map(([, from, to]) =>
    Math.max(1, Number(from ?? 1), Number(to ?? 1)),
  );
  return counts.reduce((product, count) => product * count, pattern.length);
}

/** What means something in a regular expression and nothing in a glob. */
const REGEX_LOOK = /[\^$\\()|+]|\.[*+]/;

function compileByLook(pattern: string): (relativePath: string) => boolean {
  if (!REGEX_LOOK.test(pattern)) return compileGlob(pattern);
  try {
    return compileRegex(pattern);
  } catch (error) {
    // `*.bin|*.pt` looks like a regular expression but is none in any engine; `a(?=b)` is one, only not for ours, and
    // must not quietly become a glob that matches nothing.
    if (!(error instanceof PatternError) || isEcmaScriptRegex(pattern)) throw error;
    return compileGlob(pattern);
  }
}

function isEcmaScriptRegex(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}

function compileRegex(pattern: string): (relativePath: string) => boolean {
  // The translation turns a named back-reference into its letters instead of refusing it.
  const backReference = /^(?:[^\\]|\\[^k])*\\k</.test(pattern);
  if (backReference) throw regexFault(pattern, 'back-references take exponential time and are not supported');
  try {
    const regex = RE2JS.compile(RE2JS.translateRegExp(withoutIdleEscapes(pattern)));
    return (relativePath) => regex.test(relativePath);
  } catch (error) {
    throw regexFault(pattern, messageOf(error));
  }
}

function regexFault(pattern: string, reason: string): PatternError {
  const advice = 'look-around and back-references are not supported; pattern_syntax "glob" makes it a glob';
  return new PatternError(`"${pattern}" is not a usable regular expression (${reason}; ${advice})`);
}

function compileGlob(pattern: string): (relativePath: string) => boolean {
  const negated = /^!(?!\()/.test(pattern);
  const glob = (negated ? pattern.slice(1) : pattern).replace(/^\/+/, '');
  const wholePath = pattern.includes('/');
  const regex = compileGlobSource(glob, pattern);
  return (relativePath) => {
    const subject = wholePath ? relativePath : relativePath.slice(relativePath.lastIndexOf('/') + 1);
    return regex.test(subject) !== negated;
  };
}

function compileGlobSource(glob: string, pattern: string): RE2JS {
  try {
    const source = picomatch.makeRe(glob, GLOB_OPTIONS).source;
    return RE2JS.compile(withoutIdleEscapes(withoutLookaheads(source)), RE2JS.DOTALL);
  } catch (error) {
    throw new PatternError(`"${pattern}" is not a usable glob (${messageOf(error)}); use *, **, ?, [a-z] and {a,b}`);
  }
}

const GLOB_OPTIONS: picomatch.PicomatchOptions = {
  dot: true,
  nonegate: true,
  posix: true,
  strictBrackets: true,
  strictSlashes: true,
  expandRange: (from: string, to: string) => alternatives(from, to),
};

/** `{8..11}` as `(8|9|10|11)`; picomatch alone would make a character class of it. */
function alternatives(from: string, to: string): string {
  const [first, last] = /^\d+$/.test(from) && /^\d+$/.test(to) ? [Number(from), Number(to)] : letters(from, to);
  const [low, high] = first < last ? [first, last] : [last, first];
  if (high - low >= LONGEST_RANGE) throw new Error(`the range ${from}..${to} has more than ${LONGEST_RANGE} members`);
  const width = /^0\d/.test(from) || /^0\d/.test(to) ? Math.max(from.length, to.length) : 0;
  const isLetters = !/^\d/.test(from);
  const members = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  return `(${members.map((n) => (isLetters ? String.fromCharCode(n) : String(n).padStart(width, '0'))).join('|')})`;
}

function letters(from: string, to: string): [number, number] {
  if (!/^[a-zA-Z]$/.test(from) || !/^[a-zA-Z]$/.test(to) || /[a-z]/.test(from) !== /[a-z]/.test(to)) {
    throw new Error(`the range ${from}..${to} is neither of numbers nor of letters of one case`);
  }
  return [from.charCodeAt(0), to.charCodeAt(0)];
}

/**
 * picomatch guards against `.` and `..` segments and empty paths with look-aheads, which a linear engine refuses. A
 * relative path has neither, so they can go without changing what matches. Any other look-ahead stays and is refused.
 */
function withoutLookaheads(source: string): string {
  return ['(?!(?:^|\\/)\\.{1,2}(?:\\/|$))', '(?!\\.{1,2}(?:\\/|$))', '(?=.)'].reduce(
    (rest, lookahead) => rest.replaceAll(lookahead, ''),
    source,
  );
}

/** An escaped character beyond ASCII is itself in ECMAScript, and a fault for the linear engine. */
function withoutIdleEscapes(source: string): string {
  return source.replace(/\\(.)/gsu, (escape, character: string) => (character > '\x7f' ? character : escape));
}
