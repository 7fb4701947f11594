import type { ParseArgsOptionsConfig } from 'node:util';
import { z } from 'zod';
import { numberText } from '../../lib/number-text.ts';

/** One flag of a benchmark: how it is read, what it may be, and what it says of itself. */
export interface Flag<Value> {
  option: ParseArgsOptionsConfig[string];
  schema: z.ZodType<Value>;
  /** What stands for its value in the list of flags; nothing where it has none. */
  value: string;
  says: string;
}

type Range = Parameters<typeof numberText>[0];

/** Given or not. */
export function toggle(says: string): Flag<boolean> {
  return { option: { type: 'boolean', default: false }, schema: z.boolean(), value: '', says };
}

export function number(says: string, usual: number, range: Range): Flag<number> {
  return {
    option: { type: 'string', default: String(usual) },
    schema: numberText(range),
    ...{ value: 'N', says: `${says} (${usual})` },
  };
}

/** One of some words; where it is not given, none. */
export function oneOf<Word extends string>(says: string, words: readonly Word[]): Flag<Word | undefined> {
  return { option: { type: 'string' }, schema: z.enum(words).optional(), value: words.join('|'), says };
}

/** Some of some words, with commas between; where it is not given, all. */
export function someOf<Word extends string>(says: string, words: readonly Word[]): Flag<Word[]> {
  return {
    option: { type: 'string', default: words.join(',') },
    schema: listOf(z.enum(words)),
    ...{ value: 'WORD,…', says: `${says}, of ${words.join(', ')} (all)` },
  };
}

/** Numbers with commas between. */
export function numbers(says: string, usual: readonly number[], range: Range): Flag<number[]> {
  return {
    option: { type: 'string', default: usual.join(',') },
    schema: listOf(numberText(range)),
    ...{ value: 'N,…', says: `${says} (${usual.join(',')})` },
  };
}

/** A directory, to which something is written; where it is not given, nothing is. */
export function directory(says: string): Flag<string | undefined> {
  return { option: { type: 'string' }, schema: z.string().min(1).optional(), value: 'DIR', says };
}

function listOf<Value>(schema: z.ZodType<Value, string>): z.ZodType<Value[]> {
  return z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(schema));
}
