import { Argument, Command } from 'commander';
import { z } from 'zod';
import { NAME } from '../version.ts';

/** The word by which a shell's script asks what may stand next; not for people. */
export const COMPLETE = 'complete';

/** Those in which a test presses the tab key. */
const SHELLS = ['bash', 'zsh', 'fish'] as const;

export function completionCommand(): Command {
  return new Command('completion')
    .description('print a script for a shell, by which it completes these commands')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .action(async (shell: unknown) => {
      // Loaded only here: every other run would wait for it.
      const { default: tab } = await import('@bomb.sh/tab');
      tab.setup(NAME, NAME, z.enum(SHELLS).parse(shell));
    });
}

/** Prints what may stand next. `words` are those typed so far, behind "--". */
export async function complete(program: Command, words: readonly string[]): Promise<void> {
  const { default: describe } = await import('@bomb.sh/tab/commander');
  const tab = describe(program);
  // It adds this command of its own, which nobody types.
  tab.commands.delete(COMPLETE);
  tab.parse(words[0] === '--' ? words.slice(1) : [...words]);
}
