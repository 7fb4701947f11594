import type { Command } from 'commander';
import { z } from 'zod';
import { usage } from './exits.ts';
import type { JobFilter } from './generated/graphql.ts';
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

/** A whole number of a flag. @throws CliError */
export function wholeNumber(text: string, flag: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usage(`${flag}: expected a whole number, got "${text}"`);
}
