import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { ADMIN_KEY } from '../support/core.ts';
import { ask, refusal, submitted } from '../support/graphql.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const FAILURE = '... on Failure { code message } ... on InvalidInput { issues { path message } }';
const RULE = 'containerGroupId minReplicas maxReplicas idleThresholdSeconds orgName projectName';

const createRule = `mutation ($input: CreateScalingRuleInput!) {
  createScalingRule(input: $input) { __typename ${FAILURE} ... on ScalingRule { ${RULE} } } }`;
const updateRule = `mutation ($input: UpdateScalingRuleInput!) {
  updateScalingRule(input: $input) { __typename ${FAILURE} ... on ScalingRule { ${RULE} } } }`;
const deleteRule = `mutation ($id: String!) {
  deleteScalingRule(containerGroupId: $id) { __typename ${FAILURE.replace('... on InvalidInput { issues { path message } }', '')} ... on ScalingRule { containerGroupId } } }`;
const createKey = `mutation ($role: ApiKeyRole!, $accountId: ID, $name: String) {
  createApiKey(role: $role, accountId: $accountId, name: $name) {
    __typename ${FAILURE} ... on CreatedApiKey { secret apiKey { id role name accountId revokedAt } } } }`;

describe('scaling rules', () => {
  test('are made with defaults, changed, listed and removed', async () => {
    const { secret } = await app.account();
    const made = { minReplicas: 0, maxReplicas: 100, idleThresholdSeconds: 300, orgName: null, projectName: null };
    expect(await ask(app, secret, createRule, { input: { containerGroupId: 'g' } })).toMatchObject(made);
    expect(await ask(app, secret, createRule, { input: { containerGroupId: 'g' } })).toMatchObject({
      code: 'CONFLICT',
    });
    const change = { containerGroupId: 'g', maxReplicas: 7 };
    expect(await ask(app, secret, updateRule, { input: change })).toMatchObject({ ...made, maxReplicas: 7 });
    expect(await ask(app, secret, '{ scalingRules { containerGroupId maxReplicas } }')).toEqual([change]);
    expect(await ask(app, secret, '{ scalingRule(containerGroupId: "g") { maxReplicas } }')).toEqual({
      maxReplicas: 7,
    });
    expect(await ask(app, secret, deleteRule, { id: 'g' })).toMatchObject({ __typename: 'ScalingRule' });
    expect(await ask(app, secret, deleteRule, { id: 'g' })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await ask(app, secret, '{ scalingRule(containerGroupId: "g") { maxReplicas } }')).toBeNull();
  });

  test('are refused with the place of the fault', async () => {
    const { secret } = await app.account();
    const input = { containerGroupId: 'g', minReplicas: 501, idleThresholdSeconds: -1 };
    const { issues } = await ask(app, secret, createRule, { input });
    expect(issues.map(({ path }) => path)).toEqual([
      ['input', 'minReplicas'],
      ['input', 'idleThresholdSeconds'],
    ]);
    const range = await ask(app, secret, createRule, {
      input: { containerGroupId: 'g', minReplicas: 2, maxReplicas: 1 },
    });
    expect(range.issues[0]?.message).toContain('got 2 and 1');
  });
});

describe('keys and accounts', () => {
  test('an owner makes, sees and revokes keys of the own account', async () => {
    const { viewer, secret } = await app.account();
    const made = await ask(app, secret, createKey, { role: 'AGENT', name: 'fleet' });
    const apiKey = made.apiKey as { id: string };
    expect(apiKey).toMatchObject({ role: 'AGENT', name: 'fleet', accountId: viewer.accountId, revokedAt: null });
    const keys = (await ask(app, secret, '{ apiKeys { id } }')) as unknown as { id: string }[];
    expect(keys.map(({ id }) => id)).toContain(apiKey.id);
    const revoke = `mutation ($id: ID!) { revokeApiKey(id: $id) { __typename ... on ApiKey { revokedAt } } }`;
    expect((await ask(app, secret, revoke, { id: apiKey.id })).revokedAt).not.toBeNull();
    expect((await refusal(app, made.secret as string, '{ viewer { role } }')).extensions).toMatchObject({
      code: 'FORBIDDEN',
    });
  });

  test('an account is made, and given a key, by the admin', async () => {
    const { secret } = await app.account();
    const create = `mutation { createAccount(username: "made") { __typename ${FAILURE} ... on Account { id username } } }`;
    expect(await ask(app, secret, create)).toMatchObject({ code: 'FORBIDDEN' });
    const { id } = await ask(app, ADMIN_KEY, create);
    const again = await ask(app, ADMIN_KEY, create);
    expect(again.issues.map(({ path }) => path)).toEqual([['username']]);
    expect(await ask(app, secret, createKey, { role: 'OWNER', accountId: id })).toMatchObject({ code: 'FORBIDDEN' });
    const made = await ask(app, ADMIN_KEY, createKey, { role: 'OWNER', accountId: id });
    expect(await ask(app, made.secret as string, '{ viewer { accountId } }')).toEqual({ accountId: id });
  });
});

describe('many jobs', () => {
  const cancel = `mutation ($filter: JobFilter!) { cancelJobs(filter: $filter) { __typename ${FAILURE} ... on CanceledJobs { count } } }`;
  const purge = `mutation ($id: String!) { purgeJobs(containerGroupId: $id) { __typename ${FAILURE} ... on PurgedJobs { removed canceled } } }`;

  test('are canceled by a filter, and a queue is purged', async () => {
    const { secret } = await app.account();
    for (const kind of ['a', 'b', 'b']) await submitted(app, secret, { labels: { kind } });
    // Ids that were to come from somewhere and did not are no wish to cancel everything.
    const nothing = await ask(app, secret, cancel, { filter: { ids: null } });
    expect(nothing).toMatchObject({ issues: [{ path: ['filter', 'ids'] }] });
    for (const search of [null, '', ' ']) {
      const blank = await ask(app, secret, cancel, { filter: { search } });
      expect(blank).toMatchObject({ issues: [{ path: ['filter', 'search'] }] });
    }
    expect(await ask(app, secret, cancel, { filter: { ids: [] } })).toMatchObject({ count: 0 });
    expect(await ask(app, secret, cancel, { filter: { labels: { kind: 'b' } } })).toMatchObject({ count: 2 });
    expect(await ask(app, secret, purge, { id: 'group' })).toMatchObject({ removed: 1, canceled: 0 });
    expect(await ask(app, secret, '{ jobs { totalCount } }')).toEqual({ totalCount: 2 });
  });

  test('of another account stay', async () => {
    const { secret } = await app.account();
    const id = await submitted(app, secret);
    const stranger = (await app.account()).secret;
    expect(await ask(app, stranger, cancel, { filter: {} })).toMatchObject({ count: 0 });
    expect(await ask(app, stranger, purge, { id: 'group' })).toMatchObject({ removed: 0, canceled: 0 });
    expect(await ask(app, secret, 'query ($id: ID!) { job(id: $id) { status } }', { id })).toEqual({
      status: 'PENDING',
    });
  });
});

test('a name that would be left out without a word is refused', async () => {
  const { secret } = await app.account();
  const query = `mutation ($labels: JSONObject) {
    submitJob(input: { command: "x", containerGroupId: "g", labels: $labels }) { __typename } }`;
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': secret },
    body: `{"query":${JSON.stringify(query)},"variables":{"labels":{"a":"1","__proto__":"2"}}}`,
  });
  const { errors } = (await response.json()) as { errors: { message: string }[] };
  expect(errors[0]?.message).toContain('__proto__');
});
