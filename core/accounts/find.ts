import { Account } from '../../db/entities/account.ts';
import type { Core } from '../core.ts';
import type { Viewer } from './keys.ts';

/** The viewer's own account. Any key may know whose it is. */
export async function findAccount(core: Core, viewer: Viewer): Promise<Account> {
  return core.em.fork().findOneOrFail(Account, { id: viewer.accountId });
}
