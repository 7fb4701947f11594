import { LockMode } from '@mikro-orm/core';
import { Account } from '../../db/entities/account.ts';
import { ApiKey } from '../../db/entities/api-key.ts';
import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { ForbiddenError } from '../errors.ts';
import { addKey, demand, type Bound, type Viewer } from './keys.ts';

/** Of Salad, as it has vouched for it. */
export interface Organization {
  /** In lower case, of `[a-z0-9-]`. */
  name: string;
  /** Its id, where the credentials tell it. */
  id?: string | undefined;
}

/** What Salad's credentials may do: a person's key everything in the account, a machine's token the work of that machine. */
export type OrganizationRights = { role: 'OWNER' } | { role: 'AGENT'; bound: Bound };

const findStatement = statement<
  { organization: string },
  { account_id: string; organization_id: string | null; key_id: string | null }
>('find-organization');

/**
 * Who asks with credentials that Salad has vouched for. The organisation's account is made on first use, with the key that its
 * webhooks carry; one that was revoked is followed by a new one.
 * @throws ForbiddenError when the account belongs to an organisation of the same name and another id
 */
export async function viewerOfOrganization(
  core: Core,
  organization: Organization,
  rights: OrganizationRights,
): Promise<Viewer> {
  const found = await find(core.em.fork(), organization);
  const { accountId, keyId } = found ?? (await make(core, organization));
  return { accountId, keyId, isAdmin: false, ...rights };
}

/**
 * The key that webhooks of jobs carry that were submitted with Salad's credentials; null for an account that is not an
 * organisation's. It reads and does nothing else, because it goes wherever a webhook goes.
 * @throws ForbiddenError when the viewer may not manage the account
 */
export async function webhookKey(core: Core, viewer: Viewer): Promise<string | null> {
  demand(viewer, 'manage');
  const em = core.em.fork();
  const account = await em.findOneOrFail(Account, { id: viewer.accountId });
  if (account.webhookKeyId === null) return null;
  const key = await em.findOne(ApiKey, { id: account.webhookKeyId, accountId: account.id });
  return key && core.secrets.open(key.encrypted);
}

interface Found {
  accountId: string;
  keyId: string;
}

/** Undefined as long as something of it is missing: `make` finds out what. */
async function find(em: EntityManager, { name, id }: Organization): Promise<Found | undefined> {
  const [row] = await findStatement(em, { organization: name });
  if (row === undefined || row.key_id === null || (id !== undefined && row.organization_id !== id)) return undefined;
  return { accountId: row.account_id, keyId: row.key_id };
}

/** Makes what is missing. The account's row is held, so that of many first requests at once one makes it. */
async function make(core: Core, { name, id }: Organization): Promise<Found> {
  return core.em.fork().transactional(async (em) => {
    await em.execute('insert into accounts (username, organization) values (?, ?) on conflict do nothing', [
      `salad:${name}`,
      name,
    ]);
    const account = await em.findOneOrFail(Account, { organization: name }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    if (id !== undefined) account.organizationId = sameOrganization(account, id);
    const key = await em.findOne(ApiKey, { id: account.webhookKeyId, accountId: account.id, revokedAt: null });
    if (key) return { accountId: account.id, keyId: key.id };
    const { key: made } = await addKey(core, em, { accountId: account.id, role: 'VIEWER', name: 'webhooks' });
    account.webhookKeyId = made.id;
    return { accountId: account.id, keyId: made.id };
  });
}

/** A name can be given away and taken by others, who are not to find the jobs of those who had it before. */
function sameOrganization(account: Account, id: string): string {
  if (account.organizationId === null || account.organizationId === id) return id;
  throw new ForbiddenError(
    `The organization ${account.organization ?? ''} is known here under another id than the token's: ask the operator of this server`,
  );
}
