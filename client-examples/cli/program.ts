import { Command, CommanderError } from 'commander';
import { z } from 'zod';
import { agentsCommand } from './commands/agents.ts';
import { cancelCommand, retryCommand } from './commands/cancel.ts';
import { COMPLETE, complete, completionCommand } from './commands/completion.ts';
import { getCommand } from './commands/get.ts';
import { keysCommand } from './commands/keys.ts';
import { liftBanCommand } from './commands/lift-ban.ts';
import { listCommand } from './commands/list.ts';
import { loginCommand, logoutCommand } from './commands/login.ts';
import { logsCommand } from './commands/logs.ts';
import { rulesCommand } from './commands/rules.ts';
import { submitCommand } from './commands/submit.ts';
import { watchCommand } from './commands/watch.ts';
import { createContext, type Context } from './context.ts';
import { CliError, EXIT, type Exit } from './exits.ts';
import { NAME, VERSION } from './version.ts';
import type { World } from './world.ts';

/** Runs the program once, without ending the process. `words` are its arguments. Never throws. */
export async function run(words: readonly string[], world: World): Promise<Exit> {
  const context = createContext(world);
  try {
    const program = programOf(context);
    if (words[0] === COMPLETE) await complete(program, words.slice(1));
    else await program.parseAsync(words, { from: 'user' });
    return context.exit;
  } catch (error) {
    return tell(context, error);
  }
}

function programOf(context: Context): Command {
  const { stdout, stderr } = context.world;
  const program = new Command(NAME)
    .description('Submits jobs to Kelpie, and shows what becomes of them.')
    .version(VERSION)
    .addHelpText('after', HELP)
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) })
    .showHelpAfterError(`(${NAME} --help shows all commands)`)
    .exitOverride();
  const commands = [submitCommand, listCommand, getCommand, watchCommand, logsCommand, cancelCommand, retryCommand];
  for (const make of [
    ...commands,
    liftBanCommand,
    agentsCommand,
    rulesCommand,
    keysCommand,
    loginCommand,
    logoutCommand,
    completionCommand,
  ]) {
    program.addCommand(inheriting(make(context), program));
  }
  return program;
}

/** Commands that are made apart do not have their parent's settings. */
function inheriting(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const each of command.commands) inheriting(each, command);
  return command;
}

const HELP = `
Which server, and the key, are read from KELPIE_API_URL and KELPIE_API_KEY, or were kept by "login".

Exit codes: 0 done (awaited: all completed) · 1 a job failed · 2 usage · 3 canceled · 4 unreachable or unauthorized
            5 --timeout is over · 6 refused by the server · 70 a fault of this program · 130 interrupted`;

function tell(context: Context, error: unknown): Exit {
  const { stopping } = context.world;
  if (stopping.aborted) return EXIT.INTERRUPTED;
  // Commander has said what it has to say; help was asked for, or the command line can't be used.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.DONE : EXIT.USAGE;
  if (error instanceof CliError) {
    context.note(error.message);
    return error.exit;
  }
  if (error instanceof z.ZodError) {
    for (const { path, message } of error.issues) context.note(`${optionOf(path)}: ${message}`);
    return EXIT.USAGE;
  }
  context.note(`This should not happen: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return EXIT.BUG;
}

/** As it is typed, whatever place in it the fault has. */
function optionOf([name]: readonly PropertyKey[]): string {
  return `--${String(name).replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
