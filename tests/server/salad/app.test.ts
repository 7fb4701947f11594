import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createLog } from '../../../server/log.ts';
import { createProjectCheck } from '../../../server/salad/project.ts';
import { createTokenCheck } from '../../../server/salad/token.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { mutation, type MutationName } from '../../support/graphql.ts';
import { startReceiver } from '../../support/receiver.ts';
import { jobIn, jobsIn, problemIn, submission } from '../../support/rest.ts';
import { instanceClaims, startSaladApi, startSaladKeys, type SaladApi, type SaladKeys } from '../../support/salad.ts';
import { until } from '../../support/until.ts';

const API_KEY = 'salad_cloud_user_secret_of_acme';
let api: SaladApi;
let keys: SaladKeys;
let app: TestApp;
const lines: string[] = [];
const person = { 'Salad-Api-Key': API_KEY, 'Salad-Organization': 'acme', 'Salad-Project': 'training' };
/** A machine's headers. */
const machine = async (claims: object = {}) => ({
  Authorization: `Bearer ${await keys.token({ ...claims })}`,
  'Salad-Project': 'training',
});

beforeAll(async () => {
  [api, keys] = await Promise.all([startSaladApi(), startSaladKeys()]);
  api.keys.set('acme/training', new Set([API_KEY]));
  api.keys.set('others/training', new Set(['key-of-others']));
  app = await startTestApp({
    salad: { project: createProjectCheck({ apiUrl: api.url }), token: createTokenCheck({ jwksUrl: keys.url }) },
    log: createLog('trace', { write: (line) => void lines.push(line) }),
  });
});
afterAll(async () => {
  await app.close();
  await Promise.all([api.close(), keys.close()]);
});

async function rest(headers: Record<string, string>, method: string, path: string, body?: unknown) {
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
  const response = await fetch(`${app.url}${path}`, init);
  return { status: response.status, headers: response.headers, body: (await response.json()) as unknown };
}

async function graphql(headers: Record<string, string>, query: string, variables?: object) {
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const answer = (await response.json()) as {
    data?: Record<string, Record<string, unknown>>;
    errors?: { message: string; extensions: Record<string, unknown> }[];
  };
  return { ...answer, status: response.status, headers: response.headers };
}

const mutate = async (headers: Record<string, string>, name: MutationName, input: object) =>
  Object.values((await graphql(headers, mutation(name), { input })).data ?? {})[0]!;

const worker = (part: object = {}) => ({ machine_id: 'machine', container_group_id: 'group', ...part });

describe('a job submitted with a key of Salad’s', () => {
  test('is done by a machine with a token of Salad’s, of the same organization', async () => {
    const submitted = await rest(person, 'POST', '/jobs', submission());
    expect(submitted.status).toBe(202);
    const { id } = jobIn(submitted.body);
    const headers = await machine();
    const claimed = await rest(headers, 'GET', '/work?machine_id=machine&container_group_id=group');
    expect(jobsIn(claimed.body)).toMatchObject([{ id, status: 'running' }]);
    expect((await rest(headers, 'POST', `/jobs/${id}/heartbeat`, worker())).body).toEqual({ status: 'running' });
    const reported = await rest(headers, 'POST', `/jobs/${id}/completed`, worker());
    expect(reported.body).toMatchObject({ recorded: true });
    expect((await rest(person, 'GET', `/jobs/${id}`)).body).toMatchObject({ status: 'completed' });
  });

  test('looks absent to another organization, to its machines, and to everybody else', async () => {
    const { id } = jobIn((await rest(person, 'POST', '/jobs', submission())).body);
    const others = { ...person, 'Salad-Api-Key': 'key-of-others', 'Salad-Organization': 'others' };
    const { secret } = await app.account();
    const absent = await rest(others, 'GET', `/jobs/${randomUUID()}`);
    for (const headers of [others, { 'X-Kelpie-Key': secret }]) {
      const { status, body } = await rest(headers, 'GET', `/jobs/${id}`);
      expect(status).toBe(404);
      expect(JSON.stringify(body).replaceAll(id, '')).toBe(
        JSON.stringify(absent.body).replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, ''),
      );
    }
    const foreign = await machine({ salad_organization_name: 'others', salad_organization_id: 'id-of-others' });
    expect((await rest(foreign, 'POST', `/jobs/${id}/completed`, worker())).status).toBe(404);
    expect((await rest(foreign, 'GET', '/work?machine_id=machine&container_group_id=group')).body).toEqual([]);
    await rest(person, 'DELETE', `/jobs/${id}`);
  });

  test('tells its webhooks a key that its submitter can look up, and that reads and nothing more', async () => {
    const receiver = await startReceiver();
    try {
      await rest(person, 'POST', '/jobs', submission({ webhook: receiver.url, container_group_id: 'hooks' }));
      const hooks = await machine({ salad_workload_id: 'hooks' });
      await rest(hooks, 'GET', '/work?machine_id=machine&container_group_id=hooks');
      const told = await until('the webhook', () => receiver.received[0]);
      const key = String(told.headers['x-kelpie-key']);
      expect((await graphql(person, '{ viewer { webhookKey } apiKeys { name isPresented } }')).data).toEqual({
        viewer: { webhookKey: key },
        apiKeys: [{ name: 'webhooks', isPresented: false }],
      });
      expect((await rest({ 'X-Kelpie-Key': key }, 'GET', '/jobs')).status).toBe(200);
      expect((await rest({ 'X-Kelpie-Key': key }, 'POST', '/jobs', submission())).status).toBe(403);
      const asked = await graphql({ 'X-Kelpie-Key': key }, '{ viewer { webhookKey } }');
      expect(asked.errors?.[0]?.extensions).toEqual({ code: 'FORBIDDEN' });
    } finally {
      await receiver.close();
    }
  });
});

describe('a machine’s token', () => {
  test.each([
    [{ machine_id: 'another' }, 'machine another'],
    [{ container_group_id: 'another' }, 'container group another'],
  ])('works for nobody else: %j', async (part, named) => {
    const headers = await machine();
    const query = new URLSearchParams(worker(part)).toString();
    const { container_group_id } = worker(part);
    const { id } = jobIn((await rest(person, 'POST', '/jobs', submission({ container_group_id }))).body);
    for (const { status, body } of [
      await rest(headers, 'GET', `/work?${query}`),
      await rest(headers, 'POST', `/jobs/${id}/heartbeat`, worker(part)),
      await rest(headers, 'POST', `/jobs/${id}/completed`, worker(part)),
      await rest(headers, 'POST', `/jobs/${id}/failed`, worker(part)),
    ]) {
      expect(status).toBe(403);
      expect(problemIn(body).detail).toContain(named);
    }
    expect((await rest(person, 'GET', `/jobs/${id}`)).body).toMatchObject({ status: 'pending' });
    await rest(person, 'DELETE', `/jobs/${id}`);
  });

  test('registers, claims and reports as its own agent over GraphQL, and touches no other machine’s attempt', async () => {
    const group = { salad_workload_id: 'agents' };
    const [own, other] = [await machine(group), await machine({ ...group, salad_machine_id: 'other' })];
    await rest(person, 'POST', '/jobs', submission({ container_group_id: 'agents' }));
    const session = { containerGroupId: 'agents', sessionId: randomUUID() };
    const stranger = await mutate(own, 'registerAgent', { ...session, machineId: 'other' });
    expect(stranger).toMatchObject({ __typename: 'Forbidden', code: 'FORBIDDEN' });
    const { id: agentId } = await mutate(own, 'registerAgent', { ...session, machineId: 'machine' });
    expect(await mutate(other, 'claimJob', { agentId })).toMatchObject({ __typename: 'Forbidden' });
    const claim = await mutate(own, 'claimJob', { agentId });
    expect(claim.__typename).toBe('Claim');
    const lease = { jobId: (claim.job as { id: string }).id, attempt: 1 };
    const verbs: [MutationName, object][] = [
      ['heartbeat', lease],
      ['completeAttempt', lease],
      ['failAttempt', { ...lease, outcome: 'FAILED', reason: 'x' }],
      ['releaseAttempt', lease],
    ];
    for (const [name, input] of verbs) {
      expect([name, (await mutate(other, name, input)).__typename]).toEqual([name, 'Forbidden']);
    }
    expect(await mutate(own, 'heartbeat', lease)).toMatchObject({ __typename: 'Lease' });
    expect(await mutate(own, 'completeAttempt', lease)).toMatchObject({ __typename: 'Job', status: 'COMPLETED' });
  });

  test.each(['GET /jobs', 'POST /jobs', `GET /jobs/${randomUUID()}`, `DELETE /jobs/${randomUUID()}`])(
    'may not %s',
    async (route) => {
      const [method = '', path = ''] = route.split(' ');
      const { status } = await rest(await machine(), method, path, method === 'POST' ? submission() : undefined);
      expect(status).toBe(403);
    },
  );

  test('of an organization that took over a name does not find what the one before had', async () => {
    await rest(await machine(), 'GET', '/users/me');
    const { status, body } = await rest(await machine({ salad_organization_id: 'another' }), 'GET', '/users/me');
    expect([status, problemIn(body).detail]).toEqual([403, expect.stringContaining('another id')]);
  });
});

describe('credentials that are no good', () => {
  const table: [string, () => Promise<Record<string, string>> | Record<string, string>, number][] = [
    ['none', () => ({}), 401],
    ['a key without its organization', () => ({ 'Salad-Api-Key': API_KEY, 'Salad-Project': 'training' }), 401],
    ['an unknown key', () => ({ ...person, 'Salad-Api-Key': 'unknown' }), 403],
    ['a key of another organization', () => ({ ...person, 'Salad-Organization': 'others' }), 403],
    ['a name that is none', () => ({ ...person, 'Salad-Organization': 'acme/../others' }), 400],
    ['two kinds', async () => ({ ...person, ...(await machine()) }), 400],
    ['no token', () => ({ Authorization: 'Bearer x', 'Salad-Project': 'training' }), 403],
  ];

  test.each(table)('%s', async (_what, make, status) => {
    const headers = await make();
    const answer = await rest(headers, 'GET', '/users/me');
    expect(answer.status).toBe(status);
    problemIn(answer.body);
    const code = { 400: 'INVALID_INPUT', 401: 'UNAUTHENTICATED', 403: 'FORBIDDEN' }[status];
    expect((await graphql(headers, '{ viewer { role } }')).errors?.[0]?.extensions.code).toBe(code);
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: headers }));
    expect((await once(socket, 'close'))[0]).toBe(4403);
  });

  test('and such as cannot be checked are neither let in nor refused', async () => {
    const headers = { ...person, 'Salad-Api-Key': 'not-seen-before' };
    api.answer = (_request, response) => response.writeHead(500).end();
    try {
      const answer = await rest(headers, 'GET', '/users/me');
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
      const { status, headers: head, errors } = await graphql(headers, '{ viewer { role } }');
      expect([status, head.get('retry-after')]).toEqual([503, '5']);
      expect(errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'UNAVAILABLE', retryAfterSeconds: 5 }]);
      const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
      await once(socket, 'open');
      socket.send(JSON.stringify({ type: 'connection_init', payload: headers }));
      expect((await once(socket, 'close'))[0]).toBe(1013);
    } finally {
      api.answer = undefined;
    }
  });
});

describe('over a websocket', () => {
  const connect = (connectionParams: Record<string, string>) =>
    createClient({
      url: `${app.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams,
      retryAttempts: 0,
    });

  test('both kinds are taken, by the names of their headers', async () => {
    for (const [headers, role] of [
      [person, 'OWNER'],
      [await machine(), 'AGENT'],
    ] as const) {
      const client = connect(headers);
      const answers = client.iterate<{ viewer: { role: string } }>({ query: '{ viewer { role } }' });
      expect((await answers.next()).value).toMatchObject({ data: { viewer: { role } } });
      await client.dispose();
    }
  });

  test('the socket ends with the token that opened it', async () => {
    const expires = Math.floor(Date.now() / 1_000) + 1;
    const headers = { Authorization: `Bearer ${await keys.token({}, { expires })}`, 'Salad-Project': 'training' };
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: headers }));
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([4403, expect.stringContaining('over')]);
    expect(Date.now()).toBeGreaterThanOrEqual(expires * 1_000 - 5);
  });
});

test('an organization has one account, however many come first and however they write its name', async () => {
  api.keys.set('fresh/training', new Set([API_KEY]));
  const claims = { ...instanceClaims, salad_organization_name: 'FRESH', salad_organization_id: 'id-of-fresh' };
  const asked = await Promise.all(
    ['fresh', 'Fresh', 'FRESH', 'fresh', 'fresh', 'fRESH'].map(async (name, index) =>
      rest(index % 2 === 0 ? { ...person, 'Salad-Organization': name } : await machine(claims), 'GET', '/users/me'),
    ),
  );
  expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([200]));
  expect(new Set(asked.map(({ body }) => (body as { id: string }).id)).size).toBe(1);
  expect(asked[0]?.body).toMatchObject({ username: 'salad:fresh' });
});

test('no line of the log, no error and no row of the database has a secret in it', async () => {
  const { Authorization: token } = await machine();
  await rest({ Authorization: token, 'Salad-Project': 'training' }, 'GET', '/nowhere');
  const rows = JSON.stringify(
    await app.database.query('select to_jsonb(a) as a, to_jsonb(k) as k from accounts a, api_keys k'),
  );
  for (const text of [lines.join(''), rows]) {
    expect(text).not.toContain(API_KEY);
    expect(text).not.toContain(token.slice(-40));
  }
  expect(lines.join('')).toContain('Unavailable');
});
