import { LockMode } from '@mikro-orm/core';
import { z } from 'zod';
import { ADMIN_ACCOUNT_ID, Account } from '../../db/entities/account.ts';
import { ApiKey, type ApiKeyRole } from '../../db/entities/api-key.ts';
import type { EntityManager } from '../../db/orm.ts';
import { transact, type Core } from '../core.ts';
import { ConflictError, ForbiddenError, InvalidInputError, NotFoundError } from '../errors.ts';
import { text } from '../jobs/fields.ts';
import { clearJobsOf } from '../jobs/purge.ts';
import { endKey, recordAudit } from './audit.ts';
import { lockAccount } from './find.ts';
import { CONFIGURED, demand, demandAdmin, addKey, type NewKey, type Viewer } from './keys.ts';
import { saladName } from './names.ts';

/** The fields of accounts and keys, each with its bound, for both faces of the API. */
export const accountFields = {
  username: text({ min: 1, max: 255 }).refine((name) => !/^salad:/i.test(name), {
    error: 'Names that begin with "salad:" are those of organizations: choose another one',
  }),
  keyName: text({ min: 1, max: 255 }),
  orgName: saladName,
  projectName: saladName,
};

/** An account has at most so many keys, revoked ones included: those are kept, because jobs were submitted with them. */
const MAX_KEYS = 10_000;

export interface KeyRequest {
  role: ApiKeyRole;
  name?: string | null;
  orgName?: string | null;
  projectName?: string | null;
}

/**
 * A new account, without any key yet. For the admin.
 * @throws InvalidInputError when the name is taken
 */
export async function createAccount(core: Core, viewer: Viewer, username: string): Promise<Account> {
  demandAdmin(viewer);
  return transact(core, async (em) => {
    const [made] = await em.execute<{ id: string }[]>(
      'insert into accounts (username) values (?) on conflict (username) do nothing returning id',
      [username],
    );
    if (made === undefined) {
      throw new InvalidInputError([{ path: ['username'], message: 'This name is taken: choose another one' }]);
    }
    const entry = { accountId: made.id, keyId: viewer.keyId, action: 'ACCOUNT_CREATED', data: { username } } as const;
    await recordAudit(em, entry);
    return em.findOneOrFail(Account, { id: made.id });
  });
}

/**
 * A new key of the viewer's own account. The secret is returned this once.
 * @throws ForbiddenError also when it names an organization or project and the viewer is not the admin: groups there are scaled with
 * the server's own credentials
 * @throws ConflictError when the account has 10,000 keys
 */
export async function createApiKey(core: Core, viewer: Viewer, request: KeyRequest) {
  demand(viewer, 'manage');
  if ((request.orgName ?? request.projectName ?? null) !== null && !viewer.isAdmin) {
    throw new ForbiddenError(
      'Which organization and project a key is for is said by the admin of the server alone: leave both out, or ask the admin for such a key',
    );
  }
  return issue(core, viewer, { ...request, accountId: viewer.accountId });
}

/**
 * A new key of any account. For the admin.
 * @throws NotFoundError when there is no such account
 * @throws ConflictError when the account has 10,000 keys
 */
export async function createApiKeyFor(core: Core, viewer: Viewer, accountId: string, request: KeyRequest) {
  demandAdmin(viewer);
  if (!isUuid(accountId)) throw new NotFoundError(`There is no account ${accountId}: check the id`);
  return issue(core, viewer, { ...request, accountId });
}

/**
 * Revokes a key of the viewer's account, the admin any key. Revoking twice is fine.
 * @throws NotFoundError also for another account's key
 * @throws ConflictError for the key that the server's configuration gives to the admin
 */
export async function revokeApiKey(core: Core, viewer: Viewer, id: string): Promise<ApiKey> {
  demand(viewer, 'manage');
  const key = await transact(core, async (em) => {
    const owner = viewer.isAdmin ? {} : { accountId: viewer.accountId };
    const found = isUuid(id)
      ? await em.findOne(ApiKey, { id, ...owner }, { lockMode: LockMode.PESSIMISTIC_WRITE })
      : null;
    if (!found) throw new NotFoundError(`There is no key ${id} in this account: check the id`);
    if (found.accountId === ADMIN_ACCOUNT_ID && found.name === CONFIGURED) {
      throw new ConflictError('This key comes from KELPIE_ADMIN_KEY: change it there, and restart the server');
    }
    await endKey(em, found, viewer.keyId);
    return found;
  });
  core.announce('keys');
  return key;
}

/**
 * Removes every account but the admin's, with all that is theirs. For the admin. First their keys, so that nothing new
 * comes in; then their jobs, in transactions of bounded size; then the rest.
 * @returns how many accounts there were
 */
export async function clearAccounts(core: Core, viewer: Viewer): Promise<number> {
  demandAdmin(viewer);
  const accounts = await core.em.fork().find(Account, { id: { $ne: ADMIN_ACCOUNT_ID } }, { orderBy: { id: 'asc' } });
  for (const { id } of accounts) {
    await transact(core, (em) => em.nativeDelete(ApiKey, { accountId: id }));
    await clearJobsOf(core, id);
    await transact(core, (em) => em.nativeDelete(Account, { id }));
  }
  const { accountId, keyId } = viewer;
  const entry = { accountId, keyId, action: 'ACCOUNTS_CLEARED', data: { count: accounts.length } } as const;
  await transact(core, (em) => recordAudit(em, entry));
  core.announce('keys');
  return accounts.length;
}

async function issue(core: Core, viewer: Viewer, request: NewKey): Promise<{ key: ApiKey; secret: string }> {
  return transact(core, async (em) => {
    await lockAccount(em, request.accountId);
    await demandRoom(em, request.accountId);
    return addKey(core, em, { ...request, by: viewer.keyId });
  });
}

async function demandRoom(em: EntityManager, accountId: string): Promise<void> {
  if ((await em.count(ApiKey, { accountId })) < MAX_KEYS) return;
  throw new ConflictError(`An account has at most ${MAX_KEYS} keys, revoked ones included: use another account`);
}

function isUuid(id: string): boolean {
  return z.uuid().safeParse(id).success;
}
