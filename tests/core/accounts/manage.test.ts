import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  clearAccounts,
  createAccount,
  createApiKey,
  createApiKeyFor,
  revokeApiKey,
} from '../../../core/accounts/manage.ts';
import { findAccount, listApiKeys } from '../../../core/accounts/find.ts';
import { authenticate, type Viewer } from '../../../core/accounts/keys.ts';
import { openCore, type OpenCore } from '../../../core/open.ts';
import { createScalingRule } from '../../../core/scaling/rules.ts';
import { ADMIN_KEY, openTestCore, type TestCore } from '../../support/core.ts';
import { outcomes, submit } from '../../support/jobs.ts';

let fixture: TestCore;
let core: OpenCore;
let admin: Viewer;

beforeAll(async () => {
  fixture = await openTestCore();
  core = await openCore({
    databaseUrl: fixture.database.url,
    masterKey: 'master key of the tests',
    onError: () => undefined,
  });
  admin = (await authenticate(core, ADMIN_KEY))!;
});
afterAll(async () => {
  await core.close();
  await fixture.close();
});

describe('a key', () => {
  test('of the own account works at once, has the role that was asked for, and is in the record without its secret', async () => {
    const { viewer } = await fixture.account();
    const { key, secret } = await createApiKey(core, viewer, { role: 'AGENT', name: 'n' });
    expect(await authenticate(core, secret)).toMatchObject({
      accountId: viewer.accountId,
      role: 'AGENT',
      isAdmin: false,
    });
    expect(key).toMatchObject({ name: 'n', orgName: null, projectName: null, revokedAt: null });
    expect((await audited()).at(-1)).toMatchObject({
      action: 'KEY_CREATED',
      key_id: viewer.keyId,
      account_id: viewer.accountId,
      data: { keyId: key.id, role: 'AGENT', name: 'n' },
    });
    expect(JSON.stringify(await audited())).not.toContain(secret);
  });

  test('is made by who may manage, in another account by the admin alone', async () => {
    const { viewer } = await fixture.account();
    const submitter = (await fixture.account('SUBMITTER')).viewer;
    const role = 'OWNER' as const;
    expect(
      await outcomes([
        createApiKey(core, submitter, { role }),
        createApiKeyFor(core, viewer, submitter.accountId, { role }),
        createApiKeyFor(core, admin, 'no-id', { role }),
        createApiKeyFor(core, admin, '3c4e4a3b-6d1c-4a62-8f0e-0a4f3d6f2b11', { role }),
        createApiKeyFor(core, admin, viewer.accountId, { role }),
      ]),
    ).toEqual(['FORBIDDEN', 'FORBIDDEN', 'NOT_FOUND', 'NOT_FOUND', 'done']);
  });

  test('is for an organization and a project only if the admin says so', async () => {
    const { viewer } = await fixture.account();
    const role = 'OWNER' as const;
    expect(
      await outcomes([
        createApiKey(core, viewer, { role, orgName: 'acme' }),
        createApiKey(core, viewer, { role, projectName: 'lab' }),
        createApiKey(core, viewer, { role, orgName: null, projectName: null }),
      ]),
    ).toEqual(['FORBIDDEN', 'FORBIDDEN', 'done']);
    const { key } = await createApiKeyFor(core, admin, viewer.accountId, { role, orgName: 'acme', projectName: 'lab' });
    expect(key).toMatchObject({ orgName: 'acme', projectName: 'lab', accountId: viewer.accountId });
  });

  test('that is revoked is refused from then on, and leaves the list; revoking twice is fine', async () => {
    const { viewer } = await fixture.account();
    const { key, secret } = await createApiKey(core, viewer, { role: 'VIEWER' });
    expect((await listApiKeys(core, viewer, 10)).map(({ id }) => id)).toContain(key.id);
    const { revokedAt } = await revokeApiKey(core, viewer, key.id);
    expect(await authenticate(core, secret)).toBeUndefined();
    expect((await listApiKeys(core, viewer, 10)).map(({ id }) => id)).not.toContain(key.id);
    expect((await revokeApiKey(core, viewer, key.id)).revokedAt).toEqual(revokedAt);
    const revocations = (await audited()).filter(({ action }) => action === 'KEY_REVOKED');
    expect(revocations).toMatchObject([{ key_id: viewer.keyId, data: { keyId: key.id } }]);
  });

  test('of another account, and one that never was, look the same to who would revoke it', async () => {
    const { viewer } = await fixture.account();
    const stranger = (await fixture.account()).viewer;
    const messages = await Promise.all(
      [viewer.keyId, '3c4e4a3b-6d1c-4a62-8f0e-0a4f3d6f2b11'].map((id) =>
        revokeApiKey(core, stranger, id).catch((error: unknown) => String(error).replace(id, 'ID')),
      ),
    );
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).toContain('There is no key ID');
  });

  test('that comes from the configuration is not revoked, because nobody could come in any more', async () => {
    expect(await outcomes([revokeApiKey(core, admin, admin.keyId)])).toEqual(['CONFLICT']);
  });
});

describe('an account', () => {
  test('is made by the admin, each name once, whoever asks at the same time', async () => {
    const { viewer } = await fixture.account();
    expect(await outcomes([createAccount(core, viewer, 'mine')])).toEqual(['FORBIDDEN']);
    const tries = await outcomes([1, 2, 3].map(() => createAccount(core, admin, 'theirs')));
    expect(tries.sort()).toEqual(['INVALID_INPUT', 'INVALID_INPUT', 'done']);
    expect((await audited()).filter(({ action }) => action === 'ACCOUNT_CREATED')).toHaveLength(1);
  });

  test('goes with all that is its, when the admin clears; the admin stays', async () => {
    const { viewer, secret } = await fixture.account();
    await submit(core, viewer);
    await createScalingRule(core, viewer, 'group', { minReplicas: 0, maxReplicas: 1, idleThresholdSeconds: 0 });
    expect(await outcomes([clearAccounts(core, viewer)])).toEqual(['FORBIDDEN']);
    const cleared = await clearAccounts(core, admin);
    expect(cleared).toBeGreaterThan(1);
    expect(await authenticate(core, secret)).toBeUndefined();
    expect(await outcomes([findAccount(core, viewer)])).toEqual(['FORBIDDEN']);
    expect(await authenticate(core, ADMIN_KEY)).toEqual(admin);
    for (const table of ['accounts', 'api_keys', 'jobs', 'scaling_rules']) {
      const [row] = await fixture.database.query<{ count: number }>(`select count(*)::int as count from ${table}`);
      expect([table, row?.count]).toEqual([table, table === 'accounts' || table === 'api_keys' ? 1 : 0]);
    }
    expect(await clearAccounts(core, admin)).toBe(0);
  });
});

/** What was written down, in order. */
function audited(): Promise<{ action: string; key_id: string | null; account_id: string; data: unknown }[]> {
  return fixture.database.query('select action, key_id, account_id, data from audit_events order by position');
}
