import { LockMode } from '@mikro-orm/core';
import { z } from 'zod';
import { Account } from '../../db/entities/account.ts';
import { ApiKey } from '../../db/entities/api-key.ts';
import { transact, type Core } from '../core.ts';
import { NotFoundError } from '../errors.ts';
import { endKey } from './audit.ts';

/** What the operator does with keys on the server's own machine, where nobody is asked who they are. */

/** A key as the operator sees it: without its secret, which nobody can be told any more. */
export interface KeyListing {
  key: ApiKey;
  username: string;
}

/**
 * The newest keys of an account, or of all.
 * @throws NotFoundError when there is no account of that name
 */
export async function listKeys(core: Core, username: string | undefined, limit: number): Promise<KeyListing[]> {
  const em = core.em.fork();
  const account = username === undefined ? undefined : await em.findOne(Account, { username });
  if (account === null) throw new NotFoundError(`There is no account ${String(username)}: check its name`);
  const keys = await em.find(ApiKey, account === undefined ? {} : { accountId: account.id }, {
    orderBy: { createdAt: 'desc', id: 'asc' },
    limit,
  });
  const accounts = await em.find(Account, { id: { $in: [...new Set(keys.map((key) => key.accountId))] } });
  const names = new Map(accounts.map(({ id, username: name }) => [id, name]));
  return keys.map((key) => ({ key, username: names.get(key.accountId) ?? '' }));
}

/**
 * Revokes a key; what is open under it ends within seconds. Revoking twice is fine.
 * @throws NotFoundError when there is none of this id
 */
export async function revokeKey(core: Core, id: string): Promise<ApiKey> {
  const key = await transact(core, async (em) => {
    const found = z.uuid().safeParse(id).success
      ? await em.findOne(ApiKey, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE })
      : null;
    if (!found) throw new NotFoundError(`There is no key ${id}: list-keys shows their ids`);
    await endKey(em, found, null);
    return found;
  });
  core.announce('keys');
  return key;
}
