import { afterAll, describe, expect, test } from 'vitest';
import { authenticate, ensureAccount } from '../../../core/accounts/keys.ts';
import { viewerOfOrganization, webhookKey } from '../../../core/accounts/organizations.ts';
import { ForbiddenError, InvalidInputError } from '../../../core/errors.ts';
import { openTestCore } from '../../support/core.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
const owner = { role: 'OWNER' } as const;
const agent = { role: 'AGENT', bound: { machineId: 'm', containerGroupId: 'g' } } as const;

describe('an organization’s account', () => {
  test('is made once, with one key, by any number who come first at once', async () => {
    const viewers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        viewerOfOrganization(core, { name: 'busy', id: index % 2 === 0 ? 'id' : undefined }, owner),
      ),
    );
    expect(new Set(viewers.map(({ accountId }) => accountId)).size).toBe(1);
    expect(new Set(viewers.map(({ keyId }) => keyId)).size).toBe(1);
    const [row] = await database.query(
      `select organization_id, (select count(*)::int from api_keys k where k.account_id = a.id) as keys
       from accounts a where organization = 'busy'`,
    );
    expect(row).toEqual({ organization_id: 'id', keys: 1 });
  });

  test('gives each kind of credentials its own rights', async () => {
    expect(await viewerOfOrganization(core, { name: 'acme' }, owner)).toMatchObject({ role: 'OWNER', isAdmin: false });
    expect(await viewerOfOrganization(core, { name: 'acme' }, agent)).toMatchObject(agent);
  });

  test('learns its id from the first who tells it, and takes no other afterwards', async () => {
    await viewerOfOrganization(core, { name: 'named' }, owner);
    await viewerOfOrganization(core, { name: 'named', id: 'one' }, agent);
    await expect(viewerOfOrganization(core, { name: 'named', id: 'two' }, agent)).rejects.toThrow(ForbiddenError);
    await expect(viewerOfOrganization(core, { name: 'named' }, owner)).resolves.toBeDefined();
  });

  test('has a name that nobody else can have', async () => {
    await viewerOfOrganization(core, { name: 'taken' }, owner);
    for (const name of ['salad:taken', 'salad:free', 'SALAD:free', 'Salad:']) {
      await expect(ensureAccount(core, name)).rejects.toThrow(InvalidInputError);
      const insert = database.query('insert into accounts (username) values ($1)', [name]);
      await expect(insert).rejects.toThrow('accounts_organization_room');
    }
    const other = database.query(`insert into accounts (username, organization) values ('salad:a', 'b')`);
    await expect(other).rejects.toThrow('accounts_organization_username');
    await expect(ensureAccount(core, 'saladin')).resolves.toBeDefined();
  });
});

describe('the key of its webhooks', () => {
  test('is told to who manages the account, and can read only', async () => {
    const viewer = await viewerOfOrganization(core, { name: 'hooks' }, owner);
    const key = await webhookKey(core, viewer);
    expect(await authenticate(core, key!)).toMatchObject({ accountId: viewer.accountId, role: 'VIEWER' });
    const worker = await viewerOfOrganization(core, { name: 'hooks' }, agent);
    await expect(webhookKey(core, worker)).rejects.toThrow(ForbiddenError);
  });

  test('is another one after it was revoked', async () => {
    const before = await viewerOfOrganization(core, { name: 'rotating' }, owner);
    const old = await webhookKey(core, before);
    await database.query('update api_keys set revoked_at = now() where id = $1', [before.keyId]);
    const after = await viewerOfOrganization(core, { name: 'rotating' }, owner);
    expect(after.keyId).not.toBe(before.keyId);
    expect(await webhookKey(core, after)).not.toBe(old);
    expect(await authenticate(core, old!)).toBeUndefined();
  });

  test('is none of an ordinary account’s', async () => {
    expect(await webhookKey(core, (await account()).viewer)).toBeNull();
  });
});
