import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { createKey } from '../../core/accounts/keys.ts';
import { apiKeyRoles, type ApiKeyRole } from '../../db/entities/api-key.ts';
import { startTestApp } from '../support/app.ts';
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

/** Each operation, by what a key must be allowed to do for it. */
const mutations: [MutationName, unknown, ApiKeyRole[]][] = [
  ['submitJob', job, ['OWNER', 'SUBMITTER']],
  ['submitJobs', [job], ['OWNER', 'SUBMITTER']],
  ['cancelJob', randomUUID(), ['OWNER', 'SUBMITTER']],
  ['retryJob', randomUUID(), ['OWNER', 'SUBMITTER']],
  ['registerAgent', { machineId: 'm', containerGroupId: 'g', sessionId: randomUUID() }, ['OWNER', 'AGENT']],
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
