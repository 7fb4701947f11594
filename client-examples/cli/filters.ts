import type { Command } from 'commander';
import { z } from 'zod';
import { usage } from './exits.ts';
import type { JobFilter } from './generated/graphql.ts';
import { cameOf } from './spec/faults.ts';
import { collect, pairsOf } from './spec/flags.ts';

/** Which jobs: by the flags that several commands share. */
export function addFilterFlags(command: Command): Command {
  return command
    .option('-g, --group <id>', 'of this container group')
    .option('-l, --label <name=value>', 'with this label (again for more)', collect, []);
}

export const filterFlags = z.object({
  group: z.string().optional(),
  label: z.array(z.string()),
});

/** Undefined when no flag was given. */
export function filterOf({ group, label }: z.infer<typeof filterFlags>): JobFilter | undefined {
  if (group === undefined && label.length === 0) return undefined;
  return {
    ...(group !== undefined && { containerGroupId: group }),
    ...(label.length > 0 && { labels: pairsOf(label, '--label') }),
  };
}

export const ids = z.array(z.string());

/** A whole number of a flag, from `min`. @throws CliError */
export function wholeNumber(text: string, flag: string, { min = 0 } = {}): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= min) return Number(text);
  const range = min === 0 ? '' : ` of at least ${min}`;
  throw usage(`${flag}: expected a whole number${range}, got ${cameOf(text)}`);
}

/** Seconds of a flag, as a timer can wait them. @throws CliError */
export function secondsOf(text: string, flag: string): number {
  const seconds = text.trim() === '' ? Number.NaN : Number(text);
  if (seconds > 0 && seconds <= MAX_TIMEOUT_S) return seconds;
  throw usage(`${flag}: expected a number of seconds above 0, at most ${MAX_TIMEOUT_S}, got ${cameOf(text)}`);
}

/** The longest that a timer waits, in seconds. */
const MAX_TIMEOUT_S = 2_147_483;
