import { afterAll, describe, expect, test } from 'vitest';
import { authenticate, createKey, demand, ensureAccount, ensureAdmin, may } from '../../../core/accounts/keys.ts';
import { revokeKey } from '../../../core/accounts/operate.ts';
import type { Permission } from '../../../core/accounts/keys.ts';
import { createSecretBox } from '../../../core/accounts/secret-box.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { countJobs, findJob, listJobs } from '../../../core/jobs/find.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { claimJob } from '../../../core/leases/claim.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { ADMIN_ACCOUNT_ID } from '../../../db/entities/account.ts';
import { apiKeyRoles, type ApiKeyRole } from '../../../db/entities/api-key.ts';
import { ADMIN_KEY, openTestCore } from '../../support/core.ts';
import { allRows, claim, endings, outcomes, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

describe('a key', () => {
  test('is nowhere in the database in clear, and neither is its plain base64 or hex', async () => {
    const { viewer, secret } = await account();
    await submit(core, viewer, { webhook: 'http://127.0.0.1:9/' });
    await claim(core, viewer);
    const rows = JSON.stringify(await allRows(database));
    for (const key of [secret, ADMIN_KEY]) {
      for (const form of ['utf8', 'base64', 'hex'] as const)
        expect(rows).not.toContain(Buffer.from(key).toString(form));
    }
  });

  test('opens its own account', async () => {
    const { id } = await ensureAccount(core, 'somebody');
    const { secret, key } = await createKey(core, { accountId: id, role: 'SUBMITTER' });
    expect(await authenticate(core, secret)).toEqual({
      accountId: id,
      keyId: key.id,
      role: 'SUBMITTER',
      isAdmin: false,
    });
  });

  test.each(['', 'unknown', 'kelpie_', '\0'])('that nobody has made is refused: %j', async (key) => {
    expect(await authenticate(core, key)).toBeUndefined();
  });

  test('is refused from the moment when it is revoked', async () => {
    const { viewer, secret } = await account();
    await database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    expect(await authenticate(core, secret)).toBeUndefined();
  });

  test('is refused when it has expired, and taken until then', async () => {
    const { viewer, secret } = await account();
    const expire = (interval: string) =>
      database.query('update api_keys set expires_at = now() + $2::interval where id = $1', [viewer.keyId, interval]);
    await expire('1 minute');
    expect(await authenticate(core, secret)).toEqual(viewer);
    await expire('-1 second');
    expect(await authenticate(core, secret)).toBeUndefined();
  });

  test('is never made twice', async () => {
    const { id } = await ensureAccount(core, 'random');
    const made = await Promise.all(
      Array.from({ length: 20 }, () => createKey(core, { accountId: id, role: 'VIEWER' })),
    );
    expect(new Set(made.map(({ secret }) => secret)).size).toBe(20);
  });

  test('of the admin sees every account, and is made once however often the server starts', async () => {
    await Promise.all([ensureAdmin(core, ADMIN_KEY), ensureAdmin(core, ADMIN_KEY)]);
    const keys = await database.query('select role from api_keys where account_id = $1', [ADMIN_ACCOUNT_ID]);
    expect(keys).toEqual([{ role: 'OWNER' }]);
    const admin = (await authenticate(core, ADMIN_KEY))!;
    expect(admin.isAdmin).toBe(true);
    const job = await submit(core, (await account()).viewer);
    expect((await findJob(core, admin, job.id)).id).toBe(job.id);
  });

  test('of the admin is in force when the operator configures it, also one that was revoked before', async () => {
    const other = 'another key of the admin';
    await ensureAdmin(core, other);
    expect(await authenticate(core, ADMIN_KEY)).toBeUndefined();
    await Promise.all([ensureAdmin(core, ADMIN_KEY), ensureAdmin(core, ADMIN_KEY)]);
    expect(await authenticate(core, ADMIN_KEY)).toMatchObject({ isAdmin: true });
    expect(await authenticate(core, other)).toBeUndefined();
    await revokeKey(core, (await authenticate(core, ADMIN_KEY))!.keyId);
    await ensureAdmin(core, ADMIN_KEY);
    expect(await authenticate(core, ADMIN_KEY)).toMatchObject({ isAdmin: true });
  });

  test('of the admin is one, whichever of two servers with different ones is the last to start', async () => {
    const other = 'another key of the admin';
    for (let time = 0; time < 5; time++) await Promise.all([ensureAdmin(core, ADMIN_KEY), ensureAdmin(core, other)]);
    const good = await Promise.all([ADMIN_KEY, other].map((key) => authenticate(core, key)));
    expect(good.filter((viewer) => viewer !== undefined)).toHaveLength(1);
    await ensureAdmin(core, ADMIN_KEY);
  });

  test('of somebody else does not become the admin’s by being configured', async () => {
    const { id } = await ensureAccount(core, 'with the same secret');
    const secret = 'a secret that two have chosen';
    const { key } = await createKey(core, { accountId: id, role: 'VIEWER', secret });
    await revokeKey(core, key.id);
    await ensureAdmin(core, secret);
    expect(await authenticate(core, secret)).toBeUndefined();
    await ensureAdmin(core, ADMIN_KEY);
  });
});

describe('roles', () => {
  const allowed: Record<ApiKeyRole, Permission[]> = {
    OWNER: ['read', 'submit', 'work', 'manage'],
    SUBMITTER: ['read', 'submit'],
    AGENT: ['work'],
    VIEWER: ['read'],
  };

  test.each(apiKeyRoles)('%s may do what its row says, and nothing else', async (role) => {
    const { viewer } = await account(role);
    const permissions: Permission[] = ['read', 'submit', 'work', 'manage'];
    expect(permissions.filter((permission) => may(viewer, permission))).toEqual(allowed[role]);
    for (const permission of permissions.filter((one) => !allowed[role].includes(one))) {
      expect(() => demand(viewer, permission)).toThrow(role);
    }
  });

  test.each(apiKeyRoles)('each flow of the core asks what %s may do', async (role) => {
    const owner = await account();
    const mine = await submit(core, owner.viewer);
    const lease = { jobId: mine.id, attempt: 1 };
    const viewer = { ...owner.viewer, role };
    const flows: Record<'read' | 'submit' | 'work', (() => Promise<unknown>)[]> = {
      work: [
        () => claimJob(core, viewer, { machineId: 'm', containerGroupId: 'group', agentId: null }),
        () => heartbeat(core, viewer, lease),
        () => finishAttempt(core, viewer, lease, endings.released),
      ],
      read: [
        () => findJob(core, viewer, mine.id),
        () => listJobs(core, viewer, {}, { limit: 1, ascending: true }),
        () => countJobs(core, viewer, {}),
        () => core.watchers.watch(viewer, mine.id).next(),
      ],
      submit: [
        () => submit(core, viewer),
        () => cancelJob(core, viewer, mine.id),
        () => retryJob(core, viewer, mine.id),
      ],
    };
    for (const permission of ['work', 'read', 'submit'] as const) {
      const expected = allowed[role].includes(permission) ? 'done' : 'FORBIDDEN';
      for (const flow of flows[permission]) expect(await outcomes([flow()])).toEqual([expected]);
    }
  });
});

describe('the secret box', () => {
  const box = createSecretBox('a master key');

  test('gives back what was put in, and seals the same secret differently each time', () => {
    const sealed = [box.seal('sécret'), box.seal('sécret')];
    expect(sealed.map((one) => box.open(one))).toEqual(['sécret', 'sécret']);
    expect(sealed[0]).not.toBe(sealed[1]);
  });

  test('does not open under another master key', () => {
    expect(() => createSecretBox('another').open(box.seal('secret'))).toThrow();
  });

  test('does not open what was changed, part by part', () => {
    const parts = box.seal('secret').split('.');
    parts.forEach((part, index) => {
      const changed = Buffer.from(part, index === 0 ? 'utf8' : 'base64');
      changed[0]! ^= 1;
      const other = parts.with(index, changed.toString(index === 0 ? 'utf8' : 'base64'));
      expect(() => box.open(other.join('.'))).toThrow();
    });
    expect(() => box.open('plain')).toThrow('five parts');
  });
});
