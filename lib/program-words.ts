import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { z } from 'zod';
import { messageOf } from './errors.ts';
import { clause } from './faults.ts';
import { VERSION } from './version.ts';

const NOT_UNDERSTOOD = 2;

/**
 * What a program was started with, as `schema` has it: `options` are its flags, and other words it takes none. Before anything is begun:
 * --help and --version are answered, and what can't be meant is refused with the code 2, both by ending the process.
 * @param args where some of the program's words were read already: the others
 */
export function wordsOrExit<Schema extends z.ZodType>(
  usage: string,
  schema: Schema,
  options: ParseArgsOptionsConfig,
  args = process.argv.slice(2),
): z.output<Schema> {
  answerQuestions(usage, args);
  try {
    const given = schema.safeParse(parseArgs({ args, options }).values);
    if (given.success) return given.data;
    const faults = given.error.issues.map(({ path, message }) => `--${path.map(String).join('.')}: ${clause(message)}`);
    return refuseWords(usage, faults.join('\n'));
  } catch (error) {
    return refuseWords(usage, reasonOf(error));
  }
}

/** The same of a program that takes no words. */
export function demandNoWords(usage: string): void {
  wordsOrExit(usage, z.object({}), {});
}

/** Ends the process where somebody only wants to know what it is. */
export function answerQuestions(usage: string, args: readonly string[]): void {
  const words = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  if (words.some((word) => word === '--help' || word === '-h')) endWith(0, usage);
  if (words.includes('--version')) endWith(0, `${VERSION}\n`);
}

/** Says what can't be meant, and how it is used, and ends the process. */
export function refuseWords(usage: string, fault: string): never {
  process.stderr.write(`${fault}\n\n${usage}`);
  process.exit(NOT_UNDERSTOOD);
}

/** The first sentence of Node's: the next ones are about words that begin with a hyphen. */
export function reasonOf(error: unknown): string {
  return messageOf(error).split('. ')[0] ?? '';
}

function endWith(code: number, text: string): never {
  process.stdout.write(text);
  process.exit(code);
}
