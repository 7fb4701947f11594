import { afterAll, describe, expect, test } from 'vitest';
import { recordAudit } from '../../../core/accounts/audit.ts';
import { listAuditEvents } from '../../../core/accounts/audit-log.ts';
import { authenticate, createKey, ensureAdmin } from '../../../core/accounts/keys.ts';
import { listKeys, revokeKey } from '../../../core/accounts/operate.ts';
import { transact } from '../../../core/core.ts';
import { ADMIN_ACCOUNT_ID } from '../../../db/entities/account.ts';
import { ADMIN_KEY, openTestCore } from '../../support/core.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
const page = { limit: 1_000, descending: false };

describe('what is done with keys', () => {
  test('is written down: who, to what, when, and no secret', async () => {
    const { viewer } = await account();
    const { key, secret } = await createKey(core, {
      accountId: viewer.accountId,
      role: 'AGENT',
      name: 'fleet',
      by: viewer.keyId,
    });
    await revokeKey(core, key.id);
    await revokeKey(core, key.id);
    expect(await authenticate(core, secret)).toBeUndefined();
    const events = await listAuditEvents(core, viewer, page);
    expect(events.map(({ action, keyId, data }) => ({ action, keyId, data }))).toEqual([
      { action: 'KEY_CREATED', keyId: null, data: { keyId: viewer.keyId, role: 'OWNER' } },
      { action: 'KEY_CREATED', keyId: viewer.keyId, data: { keyId: key.id, role: 'AGENT', name: 'fleet' } },
      { action: 'KEY_REVOKED', keyId: null, data: { keyId: key.id, role: 'AGENT', name: 'fleet' } },
    ]);
    expect(JSON.stringify(events)).not.toContain(secret);
  });

  test('is not written down when it did not happen', async () => {
    const { viewer } = await account();
    await transact(core, async (em) => {
      await recordAudit(em, { accountId: viewer.accountId, keyId: null, action: 'RULE_CREATED', data: {} });
      throw new Error('rolled back');
    }).catch(() => undefined);
    expect(await listAuditEvents(core, viewer, page)).toHaveLength(1);
  });

  test('is seen by the account’s owner and by the admin, and by nobody else', async () => {
    const [mine, theirs] = [await account(), await account()];
    const seen = await listAuditEvents(core, mine.viewer, page);
    expect(seen.every(({ accountId }) => accountId === mine.viewer.accountId)).toBe(true);
    const admin = (await authenticate(core, ADMIN_KEY))!;
    const accounts = new Set((await listAuditEvents(core, admin, page)).map(({ accountId }) => accountId));
    expect(accounts.has(mine.viewer.accountId) && accounts.has(theirs.viewer.accountId)).toBe(true);
    for (const role of ['SUBMITTER', 'AGENT', 'VIEWER'] as const) {
      await expect(listAuditEvents(core, { ...mine.viewer, role }, page)).rejects.toThrow(role);
    }
  });

  test('is bounded: the oldest go, and what is long is left out', async () => {
    const { viewer } = await account();
    await database.query(
      `insert into audit_events (account_id, action, data) select $1, 'RULE_UPDATED', '{}' from generate_series(1, 10000)`,
      [viewer.accountId],
    );
    const entry = { accountId: viewer.accountId, keyId: null, action: 'RULE_DELETED' as const };
    await transact(core, (em) => recordAudit(em, { ...entry, data: { name: 'x'.repeat(3_000) } }));
    const [row] = await database.query<{ count: number }>(
      'select count(*)::int as count from audit_events where account_id = $1',
      [viewer.accountId],
    );
    expect(row?.count).toBe(10_000);
    const [last] = await listAuditEvents(core, viewer, { limit: 1, descending: true });
    expect(last?.data).toEqual({ omitted: 'It was too long to be kept' });
  });

  test('of the configuration is the server’s', async () => {
    await ensureAdmin(core, 'another key of the admin');
    await ensureAdmin(core, ADMIN_KEY);
    const admin = { accountId: ADMIN_ACCOUNT_ID, keyId: '', role: 'OWNER', isAdmin: false } as const;
    const actions = (await listAuditEvents(core, admin, page)).map(({ action }) => action);
    expect(actions).toEqual(['KEY_CREATED', 'KEY_CREATED', 'KEY_REVOKED', 'KEY_RESTORED', 'KEY_REVOKED']);
  });
});

describe('the operator', () => {
  test('sees keys by account, newest first, and is told of one that is not there', async () => {
    const { viewer } = await account('OWNER', 'listed');
    const { key } = await createKey(core, { accountId: viewer.accountId, role: 'VIEWER' });
    const listed = await listKeys(core, 'listed', 10);
    expect(listed.map((one) => one.key.id).toSorted()).toEqual([viewer.keyId, key.id].toSorted());
    expect(listed.every(({ username }) => username === 'listed')).toBe(true);
    expect((await listKeys(core, undefined, 1_000)).length).toBeGreaterThan(2);
    await expect(listKeys(core, 'nobody', 10)).rejects.toThrow('nobody');
    await expect(revokeKey(core, 'nothing')).rejects.toThrow('There is no key nothing');
  });
});
