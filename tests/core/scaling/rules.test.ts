import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiKeyFor } from '../../../core/accounts/manage.ts';
import { authenticate } from '../../../core/accounts/keys.ts';
import {
  clearScalingRules,
  createScalingRule,
  deleteScalingRule,
  findScalingRule,
  listScalingRules,
  MAX_RULES,
  updateScalingRule,
} from '../../../core/scaling/rules.ts';
import { ADMIN_KEY, openTestCore, type TestCore } from '../../support/core.ts';
import { outcomes } from '../../support/jobs.ts';

let fixture: TestCore;
beforeAll(async () => {
  fixture = await openTestCore();
});
afterAll(() => fixture.close());

const terms = { minReplicas: 1, maxReplicas: 5, idleThresholdSeconds: 60 };

describe('a scaling rule', () => {
  test('belongs to the organization and project of the key that made it, and keeps them', async () => {
    const { core } = fixture;
    const { viewer } = await fixture.account();
    const admin = (await authenticate(core, ADMIN_KEY))!;
    const named = { role: 'OWNER', orgName: 'o', projectName: 'p' } as const;
    const { secret } = await createApiKeyFor(core, admin, viewer.accountId, named);
    const made = await createScalingRule(core, (await authenticate(core, secret))!, 'group', terms);
    expect(made).toMatchObject({ ...terms, orgName: 'o', projectName: 'p', accountId: viewer.accountId });
    expect(made).toMatchObject({ wanted: null, decidedAt: null, answerOk: null, orphanedAt: null });
    const changed = await updateScalingRule(core, viewer, 'group', { maxReplicas: 9 });
    expect(changed).toMatchObject({ ...terms, maxReplicas: 9, orgName: 'o', createdAt: made.createdAt });
    expect(changed.updatedAt.getTime()).toBeGreaterThanOrEqual(made.updatedAt.getTime());
    expect(await findScalingRule(core, viewer, 'group')).toMatchObject({ maxReplicas: 9 });
  });

  test('is one per group and account, whoever makes it at the same time', async () => {
    const { core } = fixture;
    const { viewer } = await fixture.account();
    const tries = await outcomes([1, 2, 3, 4].map(() => createScalingRule(core, viewer, 'group', terms)));
    expect(tries.sort()).toEqual(['CONFLICT', 'CONFLICT', 'CONFLICT', 'done']);
    const other = (await fixture.account()).viewer;
    expect(await outcomes([createScalingRule(core, other, 'group', terms)])).toEqual(['done']);
  });

  test('never has a minimum above its maximum, not even by two changes at once', async () => {
    const { core } = fixture;
    const { viewer } = await fixture.account();
    await createScalingRule(core, viewer, 'group', terms);
    const tries = await outcomes([
      updateScalingRule(core, viewer, 'group', { minReplicas: 4 }),
      updateScalingRule(core, viewer, 'group', { maxReplicas: 2 }),
    ]);
    expect(tries.sort()).toEqual(['INVALID_INPUT', 'done']);
    const { minReplicas, maxReplicas } = await findScalingRule(core, viewer, 'group');
    expect(minReplicas).toBeLessThanOrEqual(maxReplicas);
  });

  test('of another account is not there', async () => {
    const { core } = fixture;
    const { viewer } = await fixture.account();
    await createScalingRule(core, viewer, 'group', terms);
    const stranger = (await fixture.account()).viewer;
    expect(
      await outcomes([
        findScalingRule(core, stranger, 'group'),
        updateScalingRule(core, stranger, 'group', {}),
        deleteScalingRule(core, stranger, 'group'),
      ]),
    ).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND']);
    expect(await listScalingRules(core, stranger)).toEqual([]);
    expect(await listScalingRules(core, viewer)).toHaveLength(1);
  });
});

test('an account has at most 1,000 rules, which is what its list shows', async () => {
  const { core, database } = fixture;
  const { viewer } = await fixture.account();
  await database.query(
    `insert into scaling_rules (account_id, container_group_id, min_replicas, max_replicas, idle_threshold_seconds)
     select $1, 'g' || n, 0, 1, 0 from generate_series(1, $2::int) n`,
    [viewer.accountId, MAX_RULES],
  );
  expect(await outcomes([createScalingRule(core, viewer, 'one more', terms)])).toEqual(['CONFLICT']);
  expect(await listScalingRules(core, viewer)).toHaveLength(MAX_RULES);
  await deleteScalingRule(core, viewer, 'g7');
  expect(await outcomes([createScalingRule(core, viewer, 'one more', terms)])).toEqual(['done']);
});

test('clearing removes every account’s rules, and is the admin’s', async () => {
  const { core } = fixture;
  const { viewer } = await fixture.account();
  await createScalingRule(core, viewer, 'group', terms);
  expect(await outcomes([clearScalingRules(core, viewer)])).toEqual(['FORBIDDEN']);
  expect(await clearScalingRules(core, (await authenticate(core, ADMIN_KEY))!)).toBeGreaterThan(0);
  expect(await listScalingRules(core, viewer)).toEqual([]);
});
