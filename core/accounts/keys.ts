import { createHash, randomBytes } from 'node:crypto';
import { ADMIN_ACCOUNT_ID, Account } from '../../db/entities/account.ts';
import { ApiKey, type ApiKeyRole } from '../../db/entities/api-key.ts';
import type { AuditAction } from '../../db/entities/audit-event.ts';
import type { EntityManager } from '../../db/orm.ts';
import { transact, type Core } from '../core.ts';
import { ForbiddenError, InvalidInputError } from '../errors.ts';
import { recordAudit } from './audit.ts';

/** Who asks: the account and the key that every flow of the core is given. */
export interface Viewer {
  readonly accountId: string;
  readonly keyId: string;
  readonly role: ApiKeyRole;
  /** The admin sees every account's jobs. */
  readonly isAdmin: boolean;
  /** What a machine's own credentials hold it to; other credentials do not say which machine asks. */
  readonly bound?: Bound;
  /** Of Salad, which has vouched that the bearer may act there; undefined with other credentials. In lower case. */
  readonly project?: string;
  /** When what is open with these credentials must end, in milliseconds since 1970; undefined where only the key itself says. */
  readonly until?: number;
}

/** One machine of one container group. */
export interface Bound {
  readonly machineId: string;
  readonly containerGroupId: string;
}

/** What a viewer may ask for. */
export type Permission = 'read' | 'submit' | 'work' | 'manage';

const permissionsOf: Record<ApiKeyRole, readonly Permission[]> = Object.freeze({
  OWNER: ['read', 'submit', 'work', 'manage'],
  SUBMITTER: ['read', 'submit'],
  AGENT: ['work'],
  VIEWER: ['read'],
});

/** The one rule of what a role may do. */
export function may(viewer: Viewer, permission: Permission): boolean {
  return permissionsOf[viewer.role].includes(permission);
}

/** @throws ForbiddenError naming the role and what it lacks */
export function demand(viewer: Viewer, permission: Permission): void {
  if (may(viewer, permission)) return;
  throw new ForbiddenError(
    `This needs a key that may ${permission}; the presented one has the role ${viewer.role}. Use a key of another role.`,
  );
}

/**
 * That a machine's own credentials are used for that machine, in its container group.
 * @throws ForbiddenError naming both
 */
export function demandBound({ bound }: Viewer, asked: Bound): void {
  if (bound === undefined) return;
  for (const [name, own, other] of [
    ['machine', bound.machineId, asked.machineId],
    ['container group', bound.containerGroupId, asked.containerGroupId],
  ] as const) {
    if (own === other) continue;
    throw new ForbiddenError(
      `The presented token is of the ${name} ${own}, and this is about the ${name} ${other}: use the token of that machine`,
    );
  }
}

/** @throws ForbiddenError for everybody but the admin */
export function demandAdmin(viewer: Viewer): void {
  if (viewer.isAdmin) return;
  throw new ForbiddenError('This is for the admin of the server alone. Use the key of KELPIE_ADMIN_KEY.');
}

/** The viewer behind a presented key, or undefined when it is unknown, revoked or expired. */
export async function authenticate(core: Core, key: string): Promise<Viewer | undefined> {
  // The hash, not the key, is compared, by an index: how long that takes tells nothing of the key.
  const found = await core.keyByHash(hashOf(key));
  if (found === undefined) return undefined;
  const { id: keyId, account_id: accountId, role } = found;
  return { accountId, keyId, role, isAdmin: accountId === ADMIN_ACCOUNT_ID && role === 'OWNER' };
}

/** Names of accounts that begin so are of organisations of Salad; the database holds that too. */
const ORGANIZATIONS = /^salad:/i;

/**
 * An account of this name, made if it is not there.
 * @throws InvalidInputError for a name that is kept for organisations
 */
export async function ensureAccount(core: Core, username: string): Promise<Account> {
  if (ORGANIZATIONS.test(username)) {
    const message = 'Names that begin with "salad:" are kept for organizations of Salad: choose another one';
    throw new InvalidInputError([{ path: ['username'], message }]);
  }
  return transact(core, async (em) => {
    await em.execute('insert into accounts (username) values (?) on conflict (username) do nothing', [username]);
    return em.findOneOrFail(Account, { username });
  });
}

/**
 * A new key. The secret is returned this once; the database has its hash and its encrypted form.
 * @param options.secret the secret itself, where the operator has chosen one
 */
export async function createKey(core: Core, options: NewKey): Promise<{ key: ApiKey; secret: string }> {
  return transact(core, (em) => addKey(core, em, options));
}

/** What is known of a key before it is made. */
export interface NewKey {
  accountId: string;
  role: ApiKeyRole;
  name?: string | null;
  orgName?: string | null;
  projectName?: string | null;
  secret?: string;
  /** From then on it is none any more. */
  expiresAt?: Date;
  /** Id of the key with which it is made; absent for what the server's operator makes, or the server by itself. */
  by?: string;
}

/** `createKey` within a transaction of the caller's. */
export async function addKey(core: Core, em: EntityManager, options: NewKey): Promise<{ key: ApiKey; secret: string }> {
  const secret = options.secret ?? `kelpie_${randomBytes(24).toString('base64url')}`;
  const key = em.create(ApiKey, {
    accountId: options.accountId,
    hash: hashOf(secret),
    encrypted: core.secrets.seal(secret),
    role: options.role,
    name: options.name ?? null,
    orgName: options.orgName ?? null,
    projectName: options.projectName ?? null,
    expiresAt: options.expiresAt ?? null,
    revokedAt: null,
  });
  await em.flush();
  await recordAudit(em, {
    accountId: key.accountId,
    keyId: options.by ?? null,
    action: 'KEY_CREATED',
    data: { keyId: key.id, role: key.role, ...(key.name !== null && { name: key.name }) },
  });
  return { key, secret };
}

/**
 * Makes the admin's account, and its key from the server's configuration. A configured key that is known already is left
 * alone, so that this can run at every start; one that was configured before is revoked. What the operator configures is in force: a
 * key that was revoked meanwhile is so no more.
 */
export async function ensureAdmin(core: Core, adminKey: string | undefined): Promise<void> {
  await core.em.fork().transactional((em) => configureAdmin(core, em, adminKey));
}

async function configureAdmin(core: Core, em: EntityManager, adminKey: string | undefined): Promise<void> {
  await em.execute('insert into accounts (id, username) values (?, ?) on conflict do nothing', [
    ADMIN_ACCOUNT_ID,
    'admin',
  ]);
  if (adminKey === undefined) return;
  const hash = hashOf(adminKey);
  // Servers that start with different keys at once go one after the other: each holds one key, and wants the other's.
  await em.execute('select id from accounts where id = ? for no key update', [ADMIN_ACCOUNT_ID]);
  const inForce = await em.execute<{ id: string; is_new: boolean }[]>(
    `insert into api_keys as k (account_id, hash, encrypted, role, name) values (?, ?, ?, 'OWNER', ?)
     on conflict (hash) do update set revoked_at = null, encrypted = excluded.encrypted
     where k.account_id = excluded.account_id and k.name = excluded.name and k.revoked_at is not null
     returning id, xmax = 0 as is_new`,
    [ADMIN_ACCOUNT_ID, hash, core.secrets.seal(adminKey), CONFIGURED],
  );
  const gone = await em.execute<{ id: string }[]>(
    `update api_keys set revoked_at = now() where account_id = ? and name = ? and hash <> ? and revoked_at is null returning id`,
    [ADMIN_ACCOUNT_ID, CONFIGURED, hash],
  );
  const tell = (action: AuditAction, keyId: string) =>
    recordAudit(em, {
      ...{ accountId: ADMIN_ACCOUNT_ID, keyId: null, action },
      data: { name: CONFIGURED, role: 'OWNER', keyId },
    });
  for (const { id, is_new: isNew } of inForce) await tell(isNew ? 'KEY_CREATED' : 'KEY_RESTORED', id);
  for (const { id } of gone) await tell('KEY_REVOKED', id);
}

/** Name of the key that the server's configuration gives to the admin. */
export const CONFIGURED = 'KELPIE_ADMIN_KEY';

/** Keys are random and long, so a plain SHA-256 can't be turned back by guessing. */
function hashOf(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('hex');
}
