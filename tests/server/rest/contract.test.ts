import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiKeyRole } from '../../../db/entities/api-key.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { ADMIN_KEY } from '../../support/core.ts';
import { readApi, type Api } from '../../support/openapi.ts';
import { jobIn, problemIn, submission } from '../../support/rest.ts';

/**
 * The contract of the REST layer, as one table: each route with its success, every way in which it refuses, and what a stranger
 * sees of it. The tests are made from the table, and the document has no route that is not in it.
 */

interface Asked {
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
}

interface Row {
  status: number;
  /** Roles of an account's own keys that may ask; for none of them, only the admin may. */
  roles: ApiKeyRole[];
  /** Makes what the route is about, with an owner's key. @returns its id */
  arrange?: (owner: string) => Promise<string>;
  ask: (id: string) => Asked;
  expected: unknown;
  /** Bodies and parameters that are refused with 400, and the places of their faults. */
  bad?: BadInput[];
  /** Makes the route's ordinary request a conflict. */
  conflicts?: [name: string, arrange: (owner: string) => Promise<string>, ask?: (id: string) => Asked][];
  /** Ids that there is nothing of, besides a random one. */
  absent?: string[];
  /** Statuses that take more than a request to reach: the tests of the route itself have them. */
  elsewhere?: number[];
}

type BadInput = [name: string, asked: (id: string) => Asked, pointers: string[]];

const READERS: ApiKeyRole[] = ['OWNER', 'SUBMITTER', 'VIEWER'];
const SUBMITTERS: ApiKeyRole[] = ['OWNER', 'SUBMITTER'];
const WORKERS: ApiKeyRole[] = ['OWNER', 'AGENT'];
const EVERYBODY: ApiKeyRole[] = ['OWNER', 'SUBMITTER', 'AGENT', 'VIEWER'];

/** The container group that has a scaling rule. */
const RULED = 'ruled';

const worker = { machine_id: 'machine', container_group_id: 'group' };
const malformed = ['no-id', '%00', '%ED%A0%80', encodeURIComponent('é')];
const holding = (value: unknown) => expect.objectContaining(value as object) as unknown;

const table: Record<string, Row> = {
  'POST /jobs': {
    status: 202,
    roles: SUBMITTERS,
    ask: () => ({ path: '/jobs', body: submission() }),
    expected: holding({ status: 'pending', command: 'true' }),
    bad: [
      ['no command', () => ({ path: '/jobs', body: { container_group_id: 'g' } }), ['/command']],
      ['an unknown field', () => ({ path: '/jobs', body: submission({ id: 'x' }) }), ['/id']],
      [
        'a hidden name',
        () => ({ path: '/jobs', body: '{"command":"x","container_group_id":"g","environment":{"__proto__":"x"}}' }),
        ['/environment/__proto__'],
      ],
      ['no JSON', () => ({ path: '/jobs', body: '{' }), ['']],
      [
        'a key with a tab',
        () => ({ path: '/jobs', body: submission(), headers: { 'Idempotency-Key': 'a\tb' } }),
        ['/idempotency-key'],
      ],
    ],
    conflicts: [
      [
        'the same key with another body',
        async (owner) => {
          await send(owner, 'POST', {
            path: '/jobs',
            body: submission({ name: 'a' }),
            headers: { 'Idempotency-Key': 'k' },
          });
          return '';
        },
        () => ({ path: '/jobs', body: submission({ name: 'b' }), headers: { 'Idempotency-Key': 'k' } }),
      ],
    ],
  },
  'POST /jobs/batch': {
    status: 202,
    roles: SUBMITTERS,
    ask: () => ({ path: '/jobs/batch', body: [submission({ name: 'a' }), submission({ name: 'b' })] }),
    expected: [holding({ name: 'a' }), holding({ name: 'b' })],
    bad: [
      ['one fault', () => ({ path: '/jobs/batch', body: [submission(), {}] }), ['/1/command', '/1/container_group_id']],
    ],
    conflicts: [
      [
        'the same key with one job more',
        async (owner) => {
          await send(owner, 'POST', { path: '/jobs/batch', body: [submission()], headers: { 'Idempotency-Key': 'k' } });
          return '';
        },
        () => ({
          path: '/jobs/batch',
          body: [submission(), submission()],
          headers: { 'Idempotency-Key': 'k' },
        }),
      ],
    ],
  },
  'GET /jobs': {
    status: 200,
    roles: READERS,
    arrange: submitted,
    ask: () => ({ path: '/jobs' }),
    expected: { _count: 1, jobs: [holding({ status: 'pending' })], next: null },
    bad: [['a page_size of 1,001', () => ({ path: '/jobs?page_size=1001' }), ['/page_size']]],
  },
  'GET /jobs/{id}': {
    status: 200,
    roles: READERS,
    arrange: submitted,
    ask: (id) => ({ path: `/jobs/${id}` }),
    expected: holding({ status: 'pending' }),
    absent: malformed,
  },
  'GET /jobs/{id}/events': {
    status: 200,
    roles: READERS,
    arrange: submitted,
    ask: (id) => ({ path: `/jobs/${id}/events` }),
    expected: { _count: 1, events: [holding({ seq: 1, type: 'SUBMITTED' })] },
    bad: [['a limit of 0', (id) => ({ path: `/jobs/${id}/events?limit=0` }), ['/limit']]],
    absent: malformed,
  },
  'GET /jobs/{id}/logs': {
    status: 200,
    roles: READERS,
    arrange: submitted,
    ask: (id) => ({ path: `/jobs/${id}/logs`, headers: { Accept: 'application/json' } }),
    expected: { _count: 0, lines: [] },
    bad: [['a tail of 0', (id) => ({ path: `/jobs/${id}/logs?tail=0` }), ['/tail']]],
    absent: malformed,
  },
  'GET /events': {
    status: 200,
    roles: READERS,
    ask: () => ({ path: '/events' }),
    expected: holding({ _count: 0, events: [], gap: null }),
    bad: [['a place that is none', () => ({ path: '/events?after=x' }), ['/after']]],
  },
  'DELETE /jobs/{id}': {
    status: 202,
    roles: SUBMITTERS,
    arrange: submitted,
    ask: (id) => ({ path: `/jobs/${id}` }),
    expected: { message: 'Job canceled' },
    conflicts: [['a job that has completed', completed]],
    absent: malformed,
  },
  'DELETE /jobs/container-groups/{id}': {
    status: 200,
    roles: ['OWNER'],
    arrange: async (owner) => {
      await submitted(owner);
      await running(owner);
      await submitted(owner);
      return 'group';
    },
    ask: (id) => ({ path: `/jobs/container-groups/${id}` }),
    expected: { count: 3 },
    bad: [['a zero character', () => ({ path: '/jobs/container-groups/%00' }), ['/id']]],
  },
  'DELETE /jobs': { status: 204, roles: [], arrange: submitted, ask: () => ({ path: '/jobs' }), expected: undefined },
  'GET /work': {
    status: 200,
    roles: WORKERS,
    arrange: submitted,
    ask: () => ({ path: '/work?machine_id=machine&container_group_id=group' }),
    expected: [holding({ status: 'running', machine_id: 'machine' })],
    bad: [['no machine', () => ({ path: '/work?container_group_id=group' }), ['/machine_id']]],
  },
  'POST /jobs/{id}/heartbeat': report('heartbeat', 200, { status: 'running' }),
  'POST /jobs/{id}/completed': report('completed', 200, { message: 'Completed reported', recorded: true }),
  'POST /jobs/{id}/failed': report('failed', 202, { message: 'Failure reported', recorded: true }),
  'POST /scaling-rules': {
    status: 201,
    roles: ['OWNER'],
    ask: () => ({ path: '/scaling-rules', body: { container_group_id: RULED } }),
    expected: holding({ container_group_id: RULED, min_replicas: 0, max_replicas: 100, idle_threshold_seconds: 300 }),
    bad: [
      ...['-1', '501', '1.5', '"1"', '1e400', 'true'].map((value): BadInput => [
        `min_replicas of ${value}`,
        () => ({ path: '/scaling-rules', body: `{"container_group_id":"group","min_replicas":${value}}` }),
        ['/min_replicas'],
      ]),
      [
        'a threshold above an hour',
        () => ({ path: '/scaling-rules', body: { container_group_id: 'group', idle_threshold_seconds: 3_601 } }),
        ['/idle_threshold_seconds'],
      ],
      [
        'a minimum above the maximum',
        () => ({ path: '/scaling-rules', body: { container_group_id: 'group', min_replicas: 2, max_replicas: 1 } }),
        [''],
      ],
      ['an unknown field', () => ({ path: '/scaling-rules', body: { container_group_id: 'g', min: 1 } }), ['/min']],
    ],
    conflicts: [['a group that has a rule', rule]],
  },
  'GET /scaling-rules': {
    status: 200,
    roles: READERS,
    arrange: rule,
    ask: () => ({ path: '/scaling-rules' }),
    expected: { _count: 1, rules: [holding({ container_group_id: RULED, container_group_name: null })] },
  },
  'GET /scaling-rules/{id}': {
    status: 200,
    roles: READERS,
    arrange: rule,
    ask: (id) => ({ path: `/scaling-rules/${id}` }),
    expected: holding({ container_group_id: RULED, org_name: null, project_name: null }),
    absent: malformed,
  },
  'PATCH /scaling-rules/{id}': {
    status: 200,
    roles: ['OWNER'],
    arrange: rule,
    ask: (id) => ({ path: `/scaling-rules/${id}`, body: { max_replicas: 7 } }),
    expected: holding({ min_replicas: 1, max_replicas: 7, idle_threshold_seconds: 300 }),
    bad: [
      [
        'another group',
        (id) => ({ path: `/scaling-rules/${id}`, body: { container_group_id: 'x' } }),
        ['/container_group_id'],
      ],
      ['a maximum below the minimum', (id) => ({ path: `/scaling-rules/${id}`, body: { max_replicas: 0 } }), ['']],
      ['null', (id) => ({ path: `/scaling-rules/${id}`, body: { max_replicas: null } }), ['/max_replicas']],
    ],
    absent: malformed,
  },
  'DELETE /scaling-rules/{id}': {
    status: 204,
    roles: ['OWNER'],
    arrange: rule,
    ask: (id) => ({ path: `/scaling-rules/${id}` }),
    expected: undefined,
    absent: malformed,
  },
  'DELETE /scaling-rules': {
    status: 204,
    roles: [],
    arrange: rule,
    ask: () => ({ path: '/scaling-rules' }),
    expected: undefined,
  },
  'GET /users/me': {
    status: 200,
    roles: EVERYBODY,
    ask: () => ({ path: '/users/me' }),
    expected: holding({ username: expect.any(String) as unknown }),
  },
  'POST /users': {
    status: 201,
    roles: [],
    ask: () => ({ path: '/users', body: { username: `made-${randomUUID()}` } }),
    expected: holding({ id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown }),
    bad: [
      ['no name', () => ({ path: '/users', body: {} }), ['/username']],
      ['a name that is taken', () => ({ path: '/users', body: { username: 'admin' } }), ['/username']],
      ['a zero character', () => ({ path: '/users', body: { username: 'a\0' } }), ['/username']],
      ['an organization’s name', () => ({ path: '/users', body: { username: 'Salad:x' } }), ['/username']],
    ],
  },
  'POST /users/{id}/token': {
    status: 201,
    roles: [],
    arrange: accountId,
    ask: (id) => ({ path: `/users/${id}/token`, body: { org_name: 'o', project_name: 'p' } }),
    expected: { token: expect.stringMatching(/^kelpie_/) as unknown },
    bad: [['an unknown role', (id) => ({ path: `/users/${id}/token`, body: { role: 'ADMIN' } }), ['/role']]],
    conflicts: [
      [
        'an account that has 10,000 keys',
        async (owner) => {
          const id = await accountId(owner);
          await app.database.query(
            `insert into api_keys (account_id, hash, encrypted, role)
             select $1::uuid, gen_random_uuid(), '', 'VIEWER' from generate_series(1, 9999)`,
            [id],
          );
          return id;
        },
      ],
    ],
    absent: malformed,
  },
  'DELETE /users': { status: 204, roles: [], ask: () => ({ path: '/users' }), expected: undefined },
};

let app: TestApp;
let api: Api;
beforeAll(async () => {
  app = await startTestApp();
  api = await readApi(app);
});
afterAll(() => app.close());

test('every route of the document that wants credentials is in the table, and the other way round', () => {
  expect(api.guarded.map(({ name }) => name).sort()).toEqual(Object.keys(table).sort());
});

/** What the door may answer to any request, and what is as the client knows it: others test these. */
const OF_THE_DOOR = [304, 400, 429, 500, 503];

test('the table tries every status that is declared, but for those of the door', () => {
  for (const { name, operation } of api.guarded) {
    const row = table[name]!;
    const tried = [row.status, 401, 403, ...(row.elsewhere ?? [])];
    if (row.absent !== undefined || name.includes('{id}/')) tried.push(404);
    if (row.conflicts !== undefined) tried.push(409);
    if (operation.requestBody !== undefined) tried.push(413);
    const declared = Object.keys(operation.responses).map(Number);
    expect([name, declared.filter((status) => !OF_THE_DOOR.includes(status)).sort()]).toEqual([
      name,
      [...new Set(tried)].sort(),
    ]);
  }
});

describe.each(Object.entries(table))('%s', (name, row) => {
  const [method] = name.split(' ') as [string];
  const isAdmins = row.roles.length === 0;

  /** Arranges, asks with the key that may, and sees that the answer is as the document says. */
  async function tried(arrange = row.arrange, ask = row.ask) {
    const owner = await ownersKey();
    const id = (await arrange?.(owner)) ?? '';
    return send(isAdmins ? ADMIN_KEY : owner, method, ask(id));
  }

  test('succeeds', async () => {
    const { status, body } = await tried();
    expect([status, body]).toEqual([row.status, row.expected]);
  });

  test('is 401 without a key and 403 with an unknown one, and nothing is done', async () => {
    const owner = await ownersKey();
    const id = (await row.arrange?.(owner)) ?? '';
    for (const [key, expected] of [
      [undefined, 401],
      ['', 401],
      ['unknown', 403],
    ] as const) {
      const { status, body } = await send(key, method, row.ask(id));
      expect([status, problemIn(body).status]).toEqual([expected, expected]);
    }
    // Whatever it is about is still there for who may ask.
    expect((await send(isAdmins ? ADMIN_KEY : owner, method, row.ask(id))).status).toBe(row.status);
  });

  const refused = EVERYBODY.filter((role) => !row.roles.includes(role));
  testIf(refused.length > 0)(`is 403 for ${refused.join(', ')}`, async () => {
    const username = `account-${randomUUID()}`;
    const { secret: owner } = await app.account('OWNER', username);
    const id = (await row.arrange?.(owner)) ?? '';
    for (const role of refused) {
      const { secret } = await app.account(role, username);
      const asked = row.ask(id);
      // Nothing of a body is looked at before.
      for (const one of [asked, ...(asked.body === undefined ? [] : [{ ...asked, body: 'no JSON' }])]) {
        const { status, body } = await send(secret, method, one);
        expect([role, status, problemIn(body).error]).toEqual([role, 403, 'Forbidden']);
      }
    }
  });

  test('is open to the roles that it is for', async () => {
    for (const role of row.roles) {
      const username = `account-${randomUUID()}`;
      const { secret: owner } = await app.account('OWNER', username);
      const id = (await row.arrange?.(owner)) ?? '';
      const { secret } = await app.account(role, username);
      expect([role, (await send(secret, method, row.ask(id))).status]).toEqual([role, row.status]);
    }
  });

  test.each(row.bad ?? [])('is 400 for %s, and names the place', async (_, ask, pointers) => {
    const { status, body } = await tried(row.arrange, ask);
    expect(status).toBe(400);
    expect(problemIn(body).errors?.map((fault) => fault.pointer)).toEqual(pointers);
  });

  test.each(row.conflicts ?? [])('is 409 for %s', async (_, arrange, ask) => {
    const { status, body } = await tried(arrange, ask);
    expect([status, problemIn(body).error]).toEqual([409, 'Conflict']);
  });

  testIf(row.absent !== undefined)('is 404 for what is not there, whatever the id', async () => {
    const key = isAdmins ? ADMIN_KEY : await ownersKey();
    for (const id of [randomUUID(), ...(row.absent ?? [])]) {
      const { status, body } = await send(key, method, row.ask(id));
      expect([id, status, problemIn(body).error]).toEqual([id, 404, 'Not Found']);
    }
  });

  testIf(name.includes('{id}'))('looks to a stranger as if nothing were there', async () => {
    const id = (await row.arrange?.(await ownersKey())) ?? '';
    const stranger = await ownersKey();
    const foreign = await send(stranger, method, row.ask(id));
    const absent = randomUUID();
    const nothing = await send(stranger, method, row.ask(absent));
    expect([foreign.status, foreign.text.replaceAll(id, 'ID')]).toEqual([
      nothing.status,
      nothing.text.replaceAll(absent, 'ID'),
    ]);
    expect(foreign.status).not.toBe(isAdmins ? 201 : 500);
  });

  testIf(row.ask('').body !== undefined)('is 413 for a body that is announced with more than 32 MiB', async () => {
    const headers = { 'X-Kelpie-Key': isAdmins ? ADMIN_KEY : await ownersKey(), 'Content-Length': 33_554_433 };
    const { status, problem } = await new Promise<{ status: number | undefined; problem: unknown }>(
      (resolve, reject) => {
        const asked = request(`${app.url}${row.ask(randomUUID()).path}`, { method, headers }, (response) => {
          json(response).then((problem) => resolve({ status: response.statusCode, problem }), reject);
        });
        // Not a byte of it is sent.
        asked.on('error', reject).flushHeaders();
      },
    );
    expect([status, problemIn(problem).error]).toEqual([413, 'Payload Too Large']);
  });
});

/** A test that makes sense for some rows only; a skipped one would look like one that waits to be mended. */
function testIf(applies: boolean): (name: string, run: () => Promise<void>) => void {
  return applies ? test : () => undefined;
}

/** Asks, and sees that the answer is as the document says. */
async function send(key: string | undefined, method: string, { path, body, headers }: Asked) {
  const response = await fetch(`${app.url}${path}`, {
    method,
    headers: { ...headers, ...(key !== undefined && { 'X-Kelpie-Key': key }) },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const route = api.routeOf(method, path);
  if (route === undefined) throw new Error(`There is no ${method} ${path} in the document`);
  const answer = { status: response.status, contentType: response.headers.get('content-type'), text };
  expect([path, api.faults(route, answer)]).toEqual([path, []]);
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown), text };
}

async function ownersKey(): Promise<string> {
  return (await app.account('OWNER', `account-${randomUUID()}`)).secret;
}

async function submitted(owner: string): Promise<string> {
  return jobIn((await app.rest(owner, 'POST', '/jobs', submission())).body).id;
}

async function running(owner: string): Promise<string> {
  const id = await submitted(owner);
  await app.rest(owner, 'GET', '/work?machine_id=machine&container_group_id=group');
  return id;
}

async function completed(owner: string): Promise<string> {
  const id = await running(owner);
  await app.rest(owner, 'POST', `/jobs/${id}/completed`, worker);
  return id;
}

async function rule(owner: string): Promise<string> {
  const body = { container_group_id: RULED, min_replicas: 1 };
  expect((await app.rest(owner, 'POST', '/scaling-rules', body)).status).toBe(201);
  return RULED;
}

async function accountId(owner: string): Promise<string> {
  return ((await app.rest(owner, 'GET', '/users/me')).body as { id: string }).id;
}

function report(verb: string, status: number, expected: unknown): Row {
  const path = (id: string) => `/jobs/${id}/${verb}`;
  return {
    status,
    roles: WORKERS,
    arrange: running,
    ask: (id) => ({ path: path(id), body: worker }),
    expected,
    bad: [['no machine', (id) => ({ path: path(id), body: { container_group_id: 'group' } }), ['/machine_id']]],
    absent: malformed,
  };
}
