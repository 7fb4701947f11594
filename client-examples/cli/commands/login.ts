import { text as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import { z } from 'zod';
import { parseServer, removeSettings, storeSettings } from '../config.ts';
import { openConnection } from '../connection.ts';
import { commandOf, type Context } from '../context.ts';
import { usage } from '../exits.ts';
import { ViewerDocument } from '../generated/graphql.ts';

const options = z.object({ json: z.boolean().default(false) });

export function loginCommand(context: Context): Command {
  return commandOf('login', 'keep a server’s address and a key, which is asked for or read from standard input')
    .argument('<url>', 'the server')
    .action(async (given: unknown, flags: unknown) => {
      const url = parseServer(z.string().parse(given), 'login');
      if (!isPrivate(url))
        context.note(`${url}: over http, the key can be read on its way. Use https if the server has it.`);
      const key = (await askKey(context)).trim();
      if (key === '') throw usage('Expected a key on standard input, got nothing');
      const { viewer } = await openConnection({ url, key }, context.world.stopping).ask(ViewerDocument, {});
      const path = await storeSettings(context.world, { url, key });
      const { json } = options.parse(flags);
      context.tell(
        json,
        { url, path, ...viewer },
        () => `${viewer.role} of account ${viewer.accountId}, kept in ${path}`,
      );
    });
}

export function logoutCommand(context: Context): Command {
  return commandOf('logout', 'forget the key').action(async (flags: unknown) => {
    const { path, removed } = await removeSettings(context.world);
    context.tell(options.parse(flags).json, { path, removed }, () =>
      removed
        ? `${path} is gone. The key itself is good until it is revoked.`
        : `No key was kept: there is no ${path}.`,
    );
  });
}

function isPrivate(url: string): boolean {
  return url.startsWith('https:') || /^http:\/\/(localhost|127(\.\d+){3}|\[::1\])([:/]|$)/.test(url);
}

/** Never from an argument: those can be read by everybody on the machine, and stay in the shell's history. */
async function askKey({ world }: Context): Promise<string> {
  if (world.stdin.isTTY !== true) return readAll(world.stdin);
  const { default: password } = await import('@inquirer/password');
  return password({ message: 'API key:' }, { signal: world.stopping });
}
