import { Command } from 'commander';
import { loadSettings } from './config.ts';
import { openConnection, type Connection } from './connection.ts';
import { EXIT, type Exit } from './exits.ts';
import { painter, plain, say, sayJson, type Style } from './output.ts';
import type { World } from './world.ts';

/** What every command works with. */
export interface Context {
  world: World;
  /** @throws CliError when nobody has said which server, or with which key */
  connect: () => Promise<Connection>;
  paint: (style: Style, text: string) => string;
  /** One line for a person, or one of JSON for a script. */
  tell: (asJson: boolean, value: unknown, line: () => string) => void;
  say: (line: string) => void;
  sayJson: (value: unknown) => void;
  /** For people alone, beside the output. */
  note: (lines: string) => void;
  /** What the program ends with, unless something worse comes. */
  exit: Exit;
}

export function createContext(world: World): Context {
  const context: Context = {
    world,
    connect: async () => openConnection(await loadSettings(world), world.stopping),
    paint: painter(world.stdout, world.environment),
    tell: (asJson, value, line) => (asJson ? sayJson(world.stdout, value) : say(world.stdout, line())),
    say: (line) => say(world.stdout, line),
    sayJson: (value) => sayJson(world.stdout, value),
    note: (lines) => say(world.stderr, lines.split('\n').map(plain).join('\n')),
    exit: EXIT.DONE,
  };
  return context;
}

/** A command with `--json`, as every one that says something has. */
export function commandOf(name: string, description: string): Command {
  return new Command(name).description(description).option('--json', 'say it as JSON, one value a line');
}
