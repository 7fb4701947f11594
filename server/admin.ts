import { parseArgs } from 'node:util';
import { createKey, ensureAccount } from '../core/accounts/keys.ts';
import { openCore, type OpenCore } from '../core/open.ts';
import { apiKeyRoles, type ApiKeyRole } from '../core/accounts/roles.ts';
import { messageOf } from '../lib/errors.ts';
import { readConfig } from './config.ts';
import { openDatabase } from './database.ts';
import { createLog } from './log.ts';

const USAGE = `Usage: npm run admin -- COMMAND

  migrate                                   brings the database to the newest version
  create-key --account NAME [--role ROLE]   makes the account if it is not there, and a key for it
                                            (${apiKeyRoles.join(', ')}; default OWNER)

The database is DATABASE_URL, or the embedded one in KELPIE_DATA_DIR.
`;

if (import.meta.main) {
  try {
    await administer(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 2;
  }
}

async function administer(args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: { account: { type: 'string' }, role: { type: 'string', default: 'OWNER' } },
  });
  const [command] = positionals;
  // Opening the core is what migrates.
  if (command === 'migrate') return withCore(async () => say('The database is at the newest version'));
  if (command === 'create-key') return makeKey(values.account, values.role);
  throw new Error(USAGE);
}

async function makeKey(account: string | undefined, role: string): Promise<void> {
  if (account === undefined || account === '') throw new Error(`Expected --account NAME\n\n${USAGE}`);
  if (!isRole(role)) throw new Error(`Expected a role of ${apiKeyRoles.join(', ')}, got ${role}`);
  await withCore(async (core) => {
    const { id } = await ensureAccount(core, account);
    const { secret } = await createKey(core, { accountId: id, role });
    say(secret);
  });
}

function isRole(role: string): role is ApiKeyRole {
  return apiKeyRoles.some((known) => known === role);
}

async function withCore(work: (core: OpenCore) => Promise<void>): Promise<void> {
  const config = readConfig();
  const database = await openDatabase(config, createLog('warn'));
  try {
    const core = await openCore({
      databaseUrl: database.url,
      masterKey: database.masterKey,
      onError: (error) => process.stderr.write(`${error.message}\n`),
    });
    await work(core).finally(() => core.close());
  } finally {
    await database.close();
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
