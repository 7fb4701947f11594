import { Command, Option } from 'commander';
import { z } from 'zod';
import { refused } from '../connection.ts';
import { commandOf, type Context } from '../context.ts';
import { CreateKeyDocument, ListKeysDocument, RevokeKeyDocument, type KeyFragment } from '../generated/graphql.ts';
import { plain, tableOf } from '../output.ts';
import { constantOf } from '../spec/faults.ts';

const ROLES = ['owner', 'submitter', 'agent', 'viewer'] as const;

const options = z.object({ json: z.boolean().default(false) });
const createOptions = options.extend({
  role: constantOf(ROLES),
  name: z.string().optional(),
});

export function keysCommand(context: Context): Command {
  return new Command('keys')
    .description('list, make and revoke keys of the account')
    .addCommand(listCommand(context), { isDefault: true })
    .addCommand(createCommand(context))
    .addCommand(revokeCommand(context));
}

function listCommand(context: Context): Command {
  return commandOf('list', 'list the keys that are not revoked').action(async (given: unknown) => {
    const { json } = options.parse(given);
    const { apiKeys } = await (await context.connect()).ask(ListKeysDocument, {});
    if (json) apiKeys.forEach(context.sayJson);
    else context.say(tableOf(['id', 'role', 'made', 'name', ''], apiKeys.map(cellsOf)));
  });
}

function createCommand(context: Context): Command {
  const role = new Option('-r, --role <role>', `what it may be used for: ${ROLES.join(', ')}`).makeOptionMandatory();
  // For completion. What is given is checked with the other options.
  role.argChoices = [...ROLES];
  return commandOf('create', 'make a key; its secret is printed once, to standard output')
    .addOption(role)
    .option('-n, --name <name>', 'what you call it')
    .action(async (given: unknown) => {
      const { json, role: wanted, name } = createOptions.parse(given);
      const connection = await context.connect();
      const variables = { role: wanted, ...(name !== undefined && { name }) };
      // Asked once: a second one would make a second key.
      const { createApiKey } = await connection.askOnce(CreateKeyDocument, variables);
      if (createApiKey.__typename !== 'CreatedApiKey') throw refused(createApiKey);
      context.note(`Key ${createApiKey.apiKey.id}. It is told this once: keep it where only its user can read it.`);
      context.tell(json, { ...createApiKey.apiKey, secret: createApiKey.secret }, () => createApiKey.secret);
    });
}

function revokeCommand(context: Context): Command {
  return commandOf('revoke', 'make a key useless')
    .argument('<id>', 'the key’s id')
    .action(async (id: unknown, given: unknown) => {
      const { json } = options.parse(given);
      const { revokeApiKey } = await (await context.connect()).ask(RevokeKeyDocument, { id: z.string().parse(id) });
      if (revokeApiKey.__typename !== 'ApiKey') throw refused(revokeApiKey);
      context.tell(json, revokeApiKey, () => `${revokeApiKey.id} revoked`);
    });
}

function cellsOf({ id, role, createdAt, name, isPresented }: KeyFragment): string[] {
  return [id, role.toLowerCase(), createdAt, plain(name ?? ''), isPresented ? 'this one' : ''];
}
