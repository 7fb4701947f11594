import type { ParseArgsOptionsConfig } from 'node:util';
import { z } from 'zod';
import { wordsOrExit } from '../../lib/program-words.ts';
import { toggle, type Flag } from './flags.ts';

export type Figures = Record<string, unknown>;

/** What one of them measures, when its flags are read. */
export interface Measurement {
  /** Whether the figures are to be one JSON object on the last line, too. */
  isJson: boolean;
  measure: () => Promise<Figures>;
}

/** Answers one question, asserts its own work, and gives its figures. */
export interface Benchmark {
  question: string;
  /** Reads the words behind the benchmark's name. Who asks for --help is told its flags, and what is none of them is refused, as in `wordsOrExit`. */
  prepare(name: string, words: string[]): Measurement;
}

/** @param question in one or a few sentences, for --help */
export function benchmark<Flags extends Record<string, Flag<unknown>>>(
  question: string,
  flags: Flags,
  measure: (values: ValuesOf<Flags>) => Promise<Figures>,
): Benchmark {
  const all = { ...flags, json: toggle('the figures as one JSON object on the last line') };
  return {
    question,
    prepare(name, words) {
      const parts = Object.entries(all);
      const schema = z.object(Object.fromEntries(parts.map(([flag, { schema: one }]) => [flag, one])));
      const options: ParseArgsOptionsConfig = Object.fromEntries(parts.map(([flag, { option }]) => [flag, option]));
      // Each value is what its own flag's schema gives; a record made of entries has lost which one that is.
      const values = wordsOrExit(usageOf(name, question, all), schema, options, words) as ValuesOf<typeof all>;
      return { isJson: values.json, measure: () => measure(values) };
    },
  };
}

type ValuesOf<Flags extends Record<string, Flag<unknown>>> = { [name in keyof Flags]: z.output<Flags[name]['schema']> };

function usageOf(name: string, question: string, flags: Record<string, Flag<unknown>>): string {
  const rows = Object.entries(flags).map(([flag, { value, says }]) => [`--${flag} ${value}`.trimEnd(), says] as const);
  const width = Math.max(...rows.map(([words]) => words.length));
  const lines = rows.map(([words, says]) => `  ${words.padEnd(width)}  ${says}`);
  return [`Usage: npm run bench -- ${name} [flags]`, '', question, '', ...lines, ''].join('\n');
}
