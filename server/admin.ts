import { parseArgs } from 'node:util';
import { createKey, ensureAccount } from '../core/accounts/keys.ts';
import { accountFields } from '../core/accounts/manage.ts';
import { rotateMasterKey } from '../core/accounts/master-key.ts';
import { listKeys, revokeKey } from '../core/accounts/operate.ts';
import { openCore, type OpenCore } from '../core/open.ts';
import { apiKeyRoles, type ApiKeyRole } from '../core/accounts/roles.ts';
import { messageOf } from '../lib/errors.ts';
import { answerQuestions, reasonOf, refuseWords } from '../lib/program-words.ts';
import { readConfig } from './config.ts';
import { openDatabase } from './database.ts';
import { createLog } from './log.ts';

const USAGE = `Usage: npm run admin -- COMMAND

  migrate                                   brings the database to the newest version
  create-account NAME                       makes the account, unless it is there, and prints its id
  create-key --account NAME [--role ROLE] [--name NAME] [--days N] [--organization NAME --project NAME]
                                            makes the account if it is not there, and a key for it: of the role
                                            ${apiKeyRoles.join(', ')} (OWNER), good for N days (for ever); scaling rules
                                            made with it are about groups of that organization and project of Salad
  list-keys [--account NAME]                the newest 1,000 keys, of one account or of all, without their secrets
  revoke-key ID                             what is open under the key ends within seconds
  rotate-master-key                         seals all secrets anew under KELPIE_MASTER_KEY; until that is done, servers
                                            need the keys before it in KELPIE_MASTER_KEYS_OLD

The database is DATABASE_URL, or the embedded one in KELPIE_DATA_DIR.
`;

const MOST_LISTED = 1_000;
const DAY_MS = 86_400_000;

if (import.meta.main) {
  try {
    await administer(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 2;
  }
}

async function administer(args: string[]): Promise<void> {
  answerQuestions(USAGE, args);
  const { positionals, values } = given(args);
  const [command, name] = positionals;
  switch (command) {
    case 'migrate':
      // Opening the core is what migrates.
      return withCore(async () => say('The database is at the newest version'));
    case 'create-account':
      return makeAccount(name);
    case 'create-key':
      return makeKey(values);
    case 'list-keys':
      return withCore((core) => printKeys(core, values.account));
    case 'revoke-key':
      return endKey(name);
    case 'rotate-master-key':
      return withCore(async (core) => {
        const { resealed, fresh } = await rotateMasterKey(core);
        say(`${resealed} secrets were sealed anew, ${fresh} were already`);
      });
    case undefined:
      return refuseWords(USAGE, 'Expected a command, got none');
    default:
      return refuseWords(USAGE, `Expected one of the commands below, got ${command}`);
  }
}

function given(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        account: { type: 'string' },
        role: { type: 'string', default: 'OWNER' },
        name: { type: 'string' },
        days: { type: 'string' },
        organization: { type: 'string' },
        project: { type: 'string' },
      },
    });
  } catch (error) {
    return refuseWords(USAGE, reasonOf(error));
  }
}

async function makeAccount(name: string | undefined): Promise<void> {
  const username = accountFields.username.safeParse(name);
  if (!username.success) throw new Error(`Expected the name of an account\n\n${USAGE}`);
  await withCore(async (core) => {
    const { id } = await ensureAccount(core, username.data);
    say(id);
  });
}

interface KeyWish {
  account?: string | undefined;
  role: string;
  name?: string | undefined;
  days?: string | undefined;
  organization?: string | undefined;
  project?: string | undefined;
}

async function makeKey({ account, role, name, days, organization, project }: KeyWish): Promise<void> {
  if (account === undefined || account === '') throw new Error(`Expected --account NAME\n\n${USAGE}`);
  const known = roleOf(role);
  const lifetime = days === undefined ? undefined : Number(days) * DAY_MS;
  if (lifetime !== undefined && !(lifetime > 0 && lifetime < 36_500 * DAY_MS)) {
    throw new Error(`Expected --days above 0 and below 36500, got ${String(days)}`);
  }
  const orgName = saladNameOf('--organization', organization);
  const projectName = saladNameOf('--project', project);
  await withCore(async (core) => {
    const { id } = await ensureAccount(core, account);
    const { secret } = await createKey(core, {
      ...{ accountId: id, role: known, orgName, projectName },
      ...(name !== undefined && { name: name.slice(0, 255) }),
      ...(lifetime !== undefined && { expiresAt: new Date(Date.now() + lifetime) }),
    });
    say(secret);
  });
}

function saladNameOf(option: string, text: string | undefined): string | null {
  if (text === undefined) return null;
  const name = accountFields.orgName.safeParse(text);
  if (name.success) return name.data;
  throw new Error(`${option}: ${name.error.issues.map(({ message }) => message).join('; ')}, got ${text}`);
}

function roleOf(text: string): ApiKeyRole {
  const role = apiKeyRoles.find((each) => each === text.toUpperCase());
  if (role === undefined) throw new Error(`Expected a role of ${apiKeyRoles.join(', ')}, got ${text}`);
  return role;
}

async function printKeys(core: OpenCore, account: string | undefined): Promise<void> {
  for (const { key, username } of await listKeys(core, account, MOST_LISTED)) {
    const state = key.revokedAt !== null ? `revoked ${key.revokedAt.toISOString()}` : expiryOf(key.expiresAt);
    say([key.id, username, key.role, key.name ?? '-', `made ${key.createdAt.toISOString()}`, state].join('\t'));
  }
}

function expiryOf(expiresAt: Date | null): string {
  return expiresAt === null ? 'good' : `good until ${expiresAt.toISOString()}`;
}

async function endKey(id: string | undefined): Promise<void> {
  if (id === undefined) throw new Error(`Expected the id of a key\n\n${USAGE}`);
  await withCore(async (core) => {
    const { revokedAt } = await revokeKey(core, id);
    say(`The key ${id} is revoked since ${revokedAt?.toISOString() ?? 'now'}`);
  });
}

async function withCore(work: (core: OpenCore) => Promise<void>): Promise<void> {
  const config = readConfig();
  const database = await openDatabase(config, createLog('warn'));
  try {
    const core = await openCore({
      databaseUrl: database.url,
      directUrl: config.KELPIE_DATABASE_DIRECT_URL,
      masterKey: database.masterKey,
      oldMasterKeys: config.KELPIE_MASTER_KEYS_OLD,
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
