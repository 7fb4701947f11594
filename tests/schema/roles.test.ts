import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { createKey } from '../../core/accounts/keys.ts';
import { apiKeyRoles, type ApiKeyRole } from '../../db/entities/api-key.ts';
import { startTestApp } from '../support/app.ts';
import { ADMIN_KEY } from '../support/core.ts';
import { ask, mutate, refusal, submitted, type MutationName } from '../support/graphql.ts';

const app = await startTestApp();
afterAll(() => app.close());
const { secret: owner, viewer } = await app.account();

/** One key of each role, all of one account. */
const keys = new Map<ApiKeyRole, string>();
for (const role of apiKeyRoles) {
  keys.set(role, (await createKey(app.core, { accountId: viewer.accountId, role })).secret);
}
const id = await submitted(app, owner, { environment: { SECRET: 'value' } });
const lease = { jobId: id, attempt: 1 };
const job = { command: 'true', containerGroupId: 'other' };
const agent = { machineId: 'm', containerGroupId: 'g', sessionId: randomUUID() };

/** Each operation, by what a key must be allowed to do for it. */
const mutations: [MutationName, unknown, ApiKeyRole[]][] = [
  ['submitJob', job, ['OWNER', 'SUBMITTER']],
  ['submitJobs', [job], ['OWNER', 'SUBMITTER']],
  ['cancelJob', randomUUID(), ['OWNER', 'SUBMITTER']],
  ['retryJob', randomUUID(), ['OWNER', 'SUBMITTER']],
  ['registerAgent', agent, ['OWNER', 'AGENT']],
  ['claimJob', { agentId: randomUUID() }, ['OWNER', 'AGENT']],
  ['heartbeat', lease, ['OWNER', 'AGENT']],
  ['appendLogs', { ...lease, offset: 0, lines: [] }, ['OWNER', 'AGENT']],
  ['completeAttempt', lease, ['OWNER', 'AGENT']],
  ['failAttempt', { ...lease, outcome: 'FAILED', reason: 'x' }, ['OWNER', 'AGENT']],
  ['releaseAttempt', lease, ['OWNER', 'AGENT']],
];

const cases = mutations.flatMap(([name, input, allowed]) =>
  apiKeyRoles.map((role) => ({ name, input, role, verdict: allowed.includes(role) ? 'may' : 'may not' })),
);

describe('mutations', () => {
  test.each(cases)('$role $verdict $name', async ({ name, input, role, verdict }) => {
    const answer = await mutate(app, keys.get(role), name, input);
    if (verdict === 'may') expect(answer.__typename).not.toBe('Forbidden');
    else {
      expect(answer).toMatchObject({ __typename: 'Forbidden', code: 'FORBIDDEN' });
      expect(answer.message).toContain(role);
    }
  });
});

/** Inputs of which each has a fault, and the arguments that they are. */
const faulty: [call: string, type: string, input: unknown, permission: string][] = [
  ['submitJob(input: $in)', 'SubmitJobInput!', { ...job, command: '' }, 'submit'],
  ['submitJobs(input: $in)', '[SubmitJobInput!]!', [{ ...job, arguments: ['\0'] }], 'submit'],
  ['liftBan(jobId: "x", machineId: $in)', 'String!', 'a\0', 'submit'],
  ['cancelJobs(filter: $in)', 'JobFilter!', { machineId: '\0' }, 'submit'],
  ['purgeJobs(containerGroupId: $in)', 'String!', '\0', 'manage'],
  ['createApiKey(role: VIEWER, name: $in)', 'String!', '\0', 'manage'],
  ['createAccount(username: $in)', 'String!', '\0', 'admin'],
  ['createScalingRule(input: $in)', 'CreateScalingRuleInput!', { containerGroupId: '\0' }, 'manage'],
  ['updateScalingRule(input: $in)', 'UpdateScalingRuleInput!', { containerGroupId: 'g', minReplicas: -1 }, 'manage'],
  ['registerAgent(input: $in)', 'RegisterAgentInput!', { ...agent, machineId: '\0' }, 'work'],
  ['claimJob(input: $in)', 'ClaimJobInput!', { agentId: 'a', claimId: 'none' }, 'work'],
  ['heartbeat(input: $in)', 'HeartbeatInput!', { ...lease, attempt: 0 }, 'work'],
  ['appendLogs(input: $in)', 'AppendLogsInput!', { ...lease, offset: -1, lines: [] }, 'work'],
  ['completeAttempt(input: $in)', 'CompleteAttemptInput!', { ...lease, attempt: 0 }, 'work'],
];

test.each(faulty)('nothing of the input of %s is looked at before the role', async (call, type, input, permission) => {
  const query = `mutation ($in: ${type}) { it: ${call} { __typename ... on Failure { message } } }`;
  const answer = await ask(app, keys.get('VIEWER'), query, { in: input });
  expect(answer.__typename).toBe('Forbidden');
  expect(answer.message).toContain(permission);
  // Of who may, it is.
  const allowed = permission === 'admin' ? ADMIN_KEY : keys.get('OWNER');
  expect(await ask(app, allowed, query, { in: input })).toMatchObject({ __typename: 'InvalidInput' });
});

describe('queries', () => {
  const queries = [`{ job(id: "${id}") { id } }`, '{ jobs { nodes { id } } }', '{ jobs { totalCount } }'];

  test.each(queries)('%s is for who may read, which an agent may not', async (query) => {
    for (const role of ['OWNER', 'SUBMITTER', 'VIEWER'] as const) {
      expect(await ask(app, keys.get(role), query)).not.toBeNull();
    }
    const { extensions } = await refusal(app, keys.get('AGENT'), query);
    expect(extensions).toEqual({ code: 'FORBIDDEN' });
  });

  test('every role may ask who it is', async () => {
    for (const [role, key] of keys) expect(await ask(app, key, '{ viewer { role } }')).toEqual({ role });
  });
});

describe('the environment of a job', () => {
  test('is shown to owners and submitters, and hidden from viewers', async () => {
    const shown = async (role: ApiKeyRole) =>
      (await ask(app, keys.get(role), `{ job(id: "${id}") { environment } }`)).environment;
    expect(await shown('OWNER')).toEqual({ SECRET: 'value' });
    expect(await shown('SUBMITTER')).toEqual({ SECRET: 'value' });
    expect(await shown('VIEWER')).toEqual({});
  });

  test('is in no list, event or attempt that a viewer can ask for', async () => {
    const everything = await ask(
      app,
      keys.get('VIEWER'),
      `{ jobs { nodes { environment statusReason labels arguments events { nodes { data } }
          attempts { nodes { reason machineId } } } } }`,
    );
    expect(JSON.stringify(everything)).not.toContain('value');
  });

  test('is shown to the agent that claims the job', async () => {
    const key = keys.get('AGENT');
    const { id: agentId } = await mutate(app, key, 'registerAgent', {
      machineId: 'm',
      containerGroupId: 'group',
      sessionId: randomUUID(),
    });
    expect(await mutate(app, key, 'claimJob', { agentId })).toMatchObject({
      __typename: 'Claim',
      job: { id, environment: { SECRET: 'value' } },
    });
  });
});
