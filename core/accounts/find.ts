import { Account } from '../../db/entities/account.ts';
import { ApiKey } from '../../db/entities/api-key.ts';
import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { ForbiddenError, NotFoundError } from '../errors.ts';
import { demand, type Viewer } from './keys.ts';

const lockStatement = statement<{ account_id: string }, { id: string }>('lock-account');

/**
 * The viewer's own account. Any key may know whose it is.
 * @throws ForbiddenError when the account was removed since the key was looked at
 */
export async function findAccount(core: Core, viewer: Viewer): Promise<Account> {
  const account = await core.em.fork().findOne(Account, { id: viewer.accountId });
  if (!account) throw new ForbiddenError('The account of this key is gone');
  return account;
}

/**
 * Holds an account until the transaction ends, against others who do the same.
 * @throws NotFoundError when there is none
 */
export async function lockAccount(em: EntityManager, accountId: string): Promise<void> {
  const [found] = await lockStatement(em, { account_id: accountId });
  if (found === undefined) throw new NotFoundError(`There is no account ${accountId}: check the id`);
}

/** The newest keys of the viewer's account that still work, at most `limit`. Their secrets can't be told any more. */
export async function listApiKeys(core: Core, viewer: Viewer, limit: number): Promise<ApiKey[]> {
  demand(viewer, 'manage');
  return core.em
    .fork()
    .find(
      ApiKey,
      { accountId: viewer.accountId, revokedAt: null },
      { orderBy: { createdAt: 'desc', id: 'asc' }, limit },
    );
}
