import { z } from 'zod';

/**
 * Zod's faults in our words: what was expected, and what came. A locale for the whole process, as zod has them for languages, because
 * routers parse without asking us how; a schema's own words come before. Whoever takes input from outside imports this for its effect.
 *
 * What came is named by its kind. Only numbers that break a bound are quoted, and short words where a few words are allowed: no secret is
 * expected in such a place.
 */
z.config({ localeError: faultInWords });

/** No key or secret of ours has fewer characters: what is shorter is no secret that somebody has pasted into the wrong place. */
const SHORTEST_SECRET = 16;

/** What came, for a fault: in quotes where it is short, else only how long it is. */
export function shown(text: string): string {
  if (text === '') return 'an empty text';
  return text.length < SHORTEST_SECRET ? JSON.stringify(text) : `a text of ${text.length} characters`;
}

/** A fault as it stands behind a name and a colon, where no sentence begins. */
export function clause(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

function faultInWords(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `Expected ${named(issue.expected)}, got ${cameOf(issue.input, issue.expected)}`;
    case 'invalid_value':
      return `Expected ${oneOf(issue.values)}, got ${typeof issue.input === 'string' ? shown(issue.input) : cameOf(issue.input)}`;
    case 'too_big':
      return `Expected ${issue.inclusive === false ? 'less than' : 'at most'} ${sizeOf(issue.maximum, issue.origin)}, got ${measured(issue.input)}`;
    case 'too_small':
      return `Expected ${issue.inclusive === false ? 'more than' : 'at least'} ${sizeOf(issue.minimum, issue.origin)}, got ${measured(issue.input)}`;
    case 'invalid_format':
      return `Expected ${FORMS[issue.format] ?? `a text of the form ${issue.pattern ?? issue.format}`}`;
    case 'not_multiple_of':
      return `Expected a multiple of ${issue.divisor}, got ${String(issue.input)}`;
    case 'unrecognized_keys':
      return `Unknown: ${issue.keys.join(', ')}. Remove it, or check its spelling`;
    case 'invalid_key':
      return `This name cannot be used: ${clause(issue.issues.map(({ message }) => message).join('; '))}`;
    case 'invalid_union':
      return `None of the forms that this may have fits: got ${cameOf(issue.input)}`;
    case 'invalid_element':
    case 'custom':
      return 'This cannot be used';
  }
}

/** As people call what zod names by the types of JavaScript. */
const KINDS: Readonly<Record<string, string>> = {
  ...{ string: 'a text', number: 'a number', int: 'a whole number', boolean: 'true or false', array: 'a list' },
  ...{ object: 'an object', record: 'an object', undefined: 'nothing', nan: 'what is none' },
};

const FORMS: Readonly<Record<string, string>> = {
  ...{ uuid: 'a UUID', url: 'a URL', datetime: 'a time such as 2026-01-31T12:00:00Z' },
};

/** One, and more. */
const UNITS: Readonly<Record<string, readonly [string, string]>> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
};

function named(kind: string): string {
  return KINDS[kind] ?? kind;
}

/** The kind alone, but for a fraction where a whole number was expected: a number elsewhere may stand where a secret text was meant. */
function cameOf(input: unknown, expected?: string): string {
  return typeof input === 'number' && expected === 'int' ? String(input) : named(z.core.util.parsedType(input));
}

function oneOf(values: readonly unknown[]): string {
  return values.length === 1 ? String(values[0]) : `one of ${values.map(String).join(', ')}`;
}

function sizeOf(edge: number | bigint, origin: string): string {
  const [one, more] = UNITS[origin] ?? ['', ''];
  return `${edge} ${Number(edge) === 1 ? one : more}`.trimEnd();
}

function measured(input: unknown): string {
  return String(typeof input === 'string' || Array.isArray(input) ? input.length : input);
}
