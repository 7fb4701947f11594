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
  let product = pattern.length;
  let at = pattern.indexOf('{');
  while (at !== -1) {
    const end = pattern.indexOf('}', at);
    if (end === -1) break;
    product *= countAt(pattern, at);
    at = pattern.indexOf('{', end);
  }
  return product;
}

/** Nothing stands behind it that could fail, so nothing is tried twice, whatever the text. */
const COUNTS = /\{\s*(\d+)?\s*(?:,|\.\.)?\s*(\d+)?/y;

/** How often, or for how many, the `{` there may stand. */
function countAt(pattern: string, at: number): number {
  COUNTS.lastIndex = at;
  const [, from, to] = COUNTS.exec(pattern) ?? [];
  return Math.max(1, Number(from ?? 1), Number(to ?? 1));
}

/** What a pattern costs beside what it repeats, by measurements: parts of it become many instructions, a class of Unicode hundreds of ranges. */
const COST_PER_LETTER = 4;
const COST_PER_SIGN = 20;
const COST_PER_RANGE = 100;
const COST_PER_CLASS = 600;
const COST_PER_WIDE_CLASS = 30_000;

/** So often a part of a regular expression may be repeated at most, by repetitions within each other together; the engine refuses more. */
const MOST_REPETITIONS = 1_000;

const RANGE = /\{\s*\d+\s*\.\./y;
/** Where capitals are as good as small letters, each member of a class is looked up: in one that reaches beyond ASCII, up to a million. */
const IGNORES_CASE = /\(\?[a-zA-Z-]*i/;
const WIDE_CLASS = /-(?:[^\0-\x7f]|\\[ux])/g;

/**
 * What compiling a pattern takes, told without compiling it: about 0.15 microseconds each. For bounding what many patterns of one
 * request take together, so it counts every `{`, closed or not, of which a range of numbers repeats nothing.
 */
export function compilationCost(pattern: string): number {
  let [repeated, ranges] = [pattern.length, 0];
  for (let at = pattern.indexOf('{'); at !== -1; at = pattern.indexOf('{', at + 1)) {
    RANGE.lastIndex = at;
    if (RANGE.test(pattern)) ranges += 1;
    else repeated *= countAt(pattern, at);
  }
  const letters = countOf(pattern, /[\w\-/=,@:%~#]/g);
  return (
    Math.min(repeated, MOST_REPETITIONS * pattern.length) +
    COST_PER_LETTER * letters +
    COST_PER_SIGN * (pattern.length - letters) +
    COST_PER_RANGE * ranges +
    COST_PER_CLASS * countOf(pattern, /\\[pP]/g) +
    (IGNORES_CASE.test(pattern) ? COST_PER_WIDE_CLASS * countOf(pattern, WIDE_CLASS) : 0)
  );
}

function countOf(text: string, what: RegExp): number {
  return text.match(what)?.length ?? 0;
}

/** Whether a pattern has nothing that could be wrong: a glob of letters of any language, digits and a few others, with `*` and `?`. */
export function isPlainGlob(pattern: string): boolean {
  return pattern.length <= LONGEST_PATTERN && PLAIN.test(pattern) && !REGEX_LOOK.test(pattern);
}

/** Something must be left when the slashes at its beginning have gone. */
const PLAIN = /^\/*[\w\p{L}\p{M}\p{N} .*?=,@:%~#-][\w\p{L}\p{M}\p{N} ./*?=,@:%~#-]*$/u;

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

/** `{8..11}` as `(?:[8-9]|1[0-1])`; picomatch alone would make a character class of it. */
function alternatives(from: string, to: string): string {
  if (!isDigits(from) || !isDigits(to)) return letters(from, to);
  const [low, high] = BigInt(from) < BigInt(to) ? [BigInt(from), BigInt(to)] : [BigInt(to), BigInt(from)];
  if (high - low >= BigInt(LONGEST_RANGE)) {
    throw new Error(`the range ${from}..${to} has more than ${LONGEST_RANGE} members`);
  }
  const isPadded = /^0\d/.test(from) || /^0\d/.test(to);
  return numbers(low, high, isPadded ? Math.max(from.length, to.length) : 0);
}

function isDigits(text: string): boolean {
  return /^\d+$/.test(text);
}

/** The numbers of a range by their digits, so that a thousand of them are a few classes. Padded with zeros up to `width`. */
function numbers(low: bigint, high: bigint, width: number): string {
  const [first, last] = [String(low).padStart(width, '0'), String(high).padStart(width, '0')];
  if (first.length === last.length) return between(first, last);
  const nines = '9'.repeat(first.length);
  return `(?:${between(first, nines)}|${numbers(BigInt(nines) + 1n, high, width)})`;
}

/** Two texts of digits, of one length and in order, and all that are between them. */
function between(low: string, high: string): string {
  if (low === high) return low;
  const [first, last] = [Number(low.charAt(0)), Number(high.charAt(0))];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  if (first === last) return `${first}${between(lowRest, highRest)}`;
  if (lowRest === '') return `[${first}-${last}]`;
  const [zeros, nines] = ['0'.repeat(lowRest.length), '9'.repeat(lowRest.length)];
  const middle = last - first > 1 ? [`[${first + 1}-${last - 1}]${'[0-9]'.repeat(lowRest.length)}`] : [];
  return `(?:${[`${first}${between(lowRest, nines)}`, ...middle, `${last}${between(zeros, highRest)}`].join('|')})`;
}

function letters(from: string, to: string): string {
  if (!/^[a-zA-Z]$/.test(from) || !/^[a-zA-Z]$/.test(to) || /[a-z]/.test(from) !== /[a-z]/.test(to)) {
    throw new Error(`the range ${from}..${to} is neither of numbers nor of letters of one case`);
  }
  return from < to ? `[${from}-${to}]` : `[${to}-${from}]`;
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
