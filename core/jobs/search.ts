import { raw } from '@mikro-orm/core';
import type { z } from 'zod';
import { text } from './fields.ts';

const MOST_WORDS = 10;

/** A search as somebody types it: words, each of which must be found. What has no word in it asks for nothing. */
export const searchText = text({ max: 200 })
  .transform(wordsOf)
  .refine((words) => words.length <= MOST_WORDS, { error: `Expected at most ${MOST_WORDS} words` })
  .transform((words) => (words.length > 0 ? words : undefined)) satisfies z.ZodType<string[] | undefined>;

/**
 * All that is searched of a job: name, command, the beginning of its arguments (which may have 256 KiB), machine and id. No index serves
 * it: one on these columns would be written by every claim, and who searches reads the jobs of one account (about 2 ms for a thousand
 * with a few words each). lock-jobs.sql has the same words.
 */
const SEARCHED =
  "concat_ws(' ', name, command, (select left(string_agg(argument, ' '), 8192) from jsonb_array_elements_text(arguments) argument), machine_id, id)";

/** The condition that each of the words is found, in capitals or not; the text is put together once for all of them. */
export function findsAll(words: readonly string[]) {
  const patterns = patternsOf(words);
  return { [raw(`${SEARCHED} ilike all(array[${patterns.map(() => '?').join()}])`, patterns)]: [] };
}

/** What a word means to LIKE: itself, anywhere. */
export function patternsOf(words: readonly string[]): string[] {
  return words.map((word) => `%${word.replaceAll(/[\\%_]/g, (sign) => `\\${sign}`)}%`);
}

function wordsOf(search: string): string[] {
  return search.split(/\s+/).filter((word) => word !== '');
}
