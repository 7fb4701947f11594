import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { jobIn, jobsIn, pageIn, problemIn, submission } from '../../support/rest.ts';

let app: TestApp;
let key: string;

beforeAll(async () => {
  app = await startTestApp();
  key = (await app.account()).secret;
});
afterAll(() => app.close());

async function submitted(part: object = {}, as = key) {
  const { status, body } = await app.rest(as, 'POST', '/jobs', submission(part));
  expect(status).toBe(202);
  return jobIn(body);
}

const entry = { bucket: 'models', prefix: 'run-1', local_path: '/data' };

describe('POST /jobs', () => {
  test('answers with the job, every documented field in it', async () => {
    const { viewer, secret } = await app.account();
    const part = {
      arguments: ['main.py', 'ünïcödé'],
      environment: { TOKEN: 'value' },
      webhook: 'https://example.com/hook',
      name: 'a name',
      priority: -100,
      labels: { team: 'a' },
      compression: true,
      timeout_seconds: 60,
      stall_timeout_seconds: 30,
      max_failures: 7,
      max_interruptions: 0,
      heartbeat_interval: 5,
    };
    const job = await submitted(part, secret);
    expect(job).toEqual({
      ...submission(part),
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      user_id: viewer.accountId,
      status: 'pending',
      created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
      status_reason: 'No agent of container group group is connected.',
      started: null,
      completed: null,
      canceled: null,
      failed: null,
      heartbeat: null,
      machine_id: null,
      attempt: null,
      num_failures: 0,
      num_interruptions: 0,
      sync: null,
    });
    expect(jobIn((await app.rest(secret, 'GET', `/jobs/${job.id}`)).body)).toEqual(job);
  });

  test('fills in the documented defaults, also where null was sent', async () => {
    const nulls = { arguments: null, webhook: null, sync: null, max_failures: null, input_bucket: null };
    for (const part of [{}, nulls]) {
      expect(await submitted(part)).toMatchObject({
        arguments: [],
        environment: {},
        webhook: null,
        compression: false,
        max_failures: 3,
        heartbeat_interval: 30,
        priority: 0,
        sync: null,
      });
    }
  });

  test('keeps sync instructions in REST’s words, prefixes ended with a slash', async () => {
    const sync = {
      before: [{ ...entry, direction: 'download', pattern: 'checkpoint-*' }],
      during: [{ ...entry, prefix: '', direction: 'upload', pattern: '^a', pattern_syntax: 'regex' }],
    };
    expect((await submitted({ sync })).sync).toEqual({
      before: [{ ...entry, prefix: 'run-1/', direction: 'download', pattern: 'checkpoint-*', pattern_syntax: null }],
      during: [{ ...entry, prefix: '', direction: 'upload', pattern: '^a', pattern_syntax: 'regex' }],
      after: [],
    });
  });

  test('takes the older form, whose six fields come back beside a sync of null', async () => {
    const older = {
      input_bucket: 'in',
      input_prefix: 'i/',
      checkpoint_bucket: 'check',
      checkpoint_prefix: 'c',
      output_bucket: 'out',
      output_prefix: '',
    };
    expect(await submitted(older)).toMatchObject({ ...older, checkpoint_prefix: 'c/', sync: null });
    expect(Object.keys(await submitted())).not.toContain('input_bucket');
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/json; charset=utf-8',
    'nonsense',
    undefined,
  ])('takes JSON that calls itself %s', async (type) => {
    const headers = new Headers({ 'X-Kelpie-Key': key, ...(type !== undefined && { 'Content-Type': type }) });
    const body = new TextEncoder().encode(JSON.stringify(submission()));
    const response = await fetch(`${app.url}/jobs`, { method: 'POST', headers, body });
    expect(response.status).toBe(202);
  });

  test('gives the first job again for its idempotency key, and refuses another body under it', async () => {
    const headers = { 'X-Kelpie-Key': key, 'Idempotency-Key': randomUUID() };
    const post = async (path: string, body: unknown) => {
      const response = await fetch(`${app.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: response.status, body: (await response.json()) as unknown };
    };
    const first = jobIn((await post('/jobs', submission())).body);
    expect(jobIn((await post('/jobs', submission())).body).id).toBe(first.id);
    const other = await post('/jobs', submission({ command: 'false' }));
    expect([other.status, problemIn(other.body).title]).toEqual([409, 'Conflict']);

    const batch = jobsIn((await post('/jobs/batch', [submission(), submission()])).body);
    const again = jobsIn((await post('/jobs/batch', [submission(), submission()])).body);
    expect(again.map((job) => job.id)).toEqual(batch.map((job) => job.id));
    expect(new Set(batch.map((job) => job.id)).size).toBe(2);
  });
});

test('POST /jobs/batch stores a thousand jobs in the order in which they were sent', async () => {
  const { secret } = await app.account();
  const names = Array.from({ length: 1_000 }, (_, index) => `job ${index}`);
  const sent = names.map((name) => submission({ name }));
  const { status, body } = await app.rest(secret, 'POST', '/jobs/batch', sent);
  expect(status).toBe(202);
  expect(jobsIn(body).map((job) => job.name)).toEqual(names);
  const page = pageIn((await app.rest(secret, 'GET', '/jobs?asc=true&page_size=1000')).body);
  expect(page.jobs.map((job) => job.name)).toEqual(names);
});

describe('GET /jobs', () => {
  let secret: string;
  const names = async (query: string) => {
    const { status, body } = await app.rest(secret, 'GET', `/jobs${query}`);
    expect(status).toBe(200);
    const page = pageIn(body);
    expect(page._count).toBe(page.jobs.length);
    return page.jobs.map((job) => job.name);
  };

  beforeAll(async () => {
    secret = (await app.account()).secret;
    const groups = ['red', 'red', 'blue', 'red', 'blue'];
    const jobs = groups.map((group, index) => submission({ name: `${index}`, container_group_id: group }));
    const stored = jobsIn((await app.rest(secret, 'POST', '/jobs/batch', jobs)).body);
    await app.rest(secret, 'DELETE', `/jobs/${stored[3]!.id}`);
  });

  test.each([
    ['', ['4', '3', '2', '1', '0']],
    ['?asc=true', ['0', '1', '2', '3', '4']],
    ['?asc=False', ['4', '3', '2', '1', '0']],
    ['?page_size=2', ['4', '3']],
    ['?page_size=2&page=3', ['0']],
    ['?page=2', []],
    ['?container_group_id=blue', ['4', '2']],
    ['?container_group_id=red&status=pending&asc=true', ['0', '1']],
    ['?status=canceled', ['3']],
    ['?status=running', []],
    ['?container_group_id=unknown', []],
  ])('%s lists %j', async (query, expected) => {
    expect(await names(query)).toEqual(expected);
  });

  test.each([
    ['page_size=0', '/page_size'],
    ['page_size=1001', '/page_size'],
    ['page_size=1e2', '/page_size'],
    ['page_size=', '/page_size'],
    ['page=0', '/page'],
    ['page=-1', '/page'],
    ['page=99999999999999999999', '/page'],
    ['page=1&page=2', '/page'],
    ['status=PENDING', '/status'],
    ['status=', '/status'],
    ['container_group_id=', '/container_group_id'],
    ['container_group_id=%00', '/container_group_id'],
    ['asc=yes', '/asc'],
  ])('?%s is refused', async (query, pointer) => {
    const { status, body } = await app.rest(secret, 'GET', `/jobs?${query}`);
    expect(status).toBe(400);
    expect(problemIn(body).errors?.map((fault) => fault.pointer)).toEqual([pointer]);
  });
});

describe('DELETE /jobs/:id', () => {
  test('cancels, and may be repeated', async () => {
    const { id } = await submitted();
    const cancel = () => app.rest(key, 'DELETE', `/jobs/${id}`);
    for (const { status, body } of [await cancel(), await cancel()]) {
      expect([status, body]).toEqual([202, { message: 'Job canceled' }]);
    }
    const job = jobIn((await app.rest(key, 'GET', `/jobs/${id}`)).body);
    expect(job).toMatchObject({ status: 'canceled', completed: null, failed: null });
    expect(job.canceled).not.toBeNull();
  });

  test('is a conflict for a job that has completed', async () => {
    const { id } = await submitted({ container_group_id: 'completes' });
    await app.rest(key, 'GET', '/work?machine_id=m&container_group_id=completes');
    await app.rest(key, 'POST', `/jobs/${id}/completed`, { machine_id: 'm', container_group_id: 'completes' });
    const { status, body } = await app.rest(key, 'DELETE', `/jobs/${id}`);
    expect([status, problemIn(body).error]).toEqual([409, 'Conflict']);
    expect(jobIn((await app.rest(key, 'GET', `/jobs/${id}`)).body).status).toBe('completed');
  });
});

test('another account’s job, a job that never was and an id that is none look the same', async () => {
  const { id } = await submitted();
  const stranger = (await app.account()).secret;
  const worker = { machine_id: 'm', container_group_id: 'group' };
  for (const [method, path, body] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/heartbeat', worker],
    ['POST', '/completed', worker],
    ['POST', '/failed', worker],
  ] as const) {
    const answers = await Promise.all(
      [id, randomUUID(), 'no-id', '%00', 'é'].map(async (asked) => {
        const answer = await app.rest(stranger, method, `/jobs/${asked}${path}`, body);
        const told = JSON.stringify(problemIn(answer.body)).replaceAll(decodeURIComponent(asked), 'ID');
        return `${answer.status} ${told.replaceAll('\\u0000', 'ID')}`;
      }),
    );
    expect(answers[0]).toMatch(/^404 .*"Not Found"/);
    expect(new Set(answers).size).toBe(1);
  }
  expect(jobIn((await app.rest(key, 'GET', `/jobs/${id}`)).body).status).toBe('pending');
  expect(pageIn((await app.rest(stranger, 'GET', '/jobs')).body)._count).toBe(0);
});

test('GET /users/me tells whose key it is', async () => {
  const { viewer, secret } = await app.account('AGENT', 'somebody');
  const { status, body } = await app.rest(secret, 'GET', '/users/me');
  expect(status).toBe(200);
  expect(body).toEqual({
    id: viewer.accountId,
    username: 'somebody',
    created: expect.stringMatching(/Z$/) as string,
  });
});

describe('keys', () => {
  const routes = [
    ['GET', '/jobs'],
    ['POST', '/jobs'],
    ['POST', '/jobs/batch'],
    ['GET', `/jobs/${randomUUID()}`],
    ['DELETE', `/jobs/${randomUUID()}`],
    ['GET', '/work'],
    ['POST', `/jobs/${randomUUID()}/heartbeat`],
    ['POST', `/jobs/${randomUUID()}/completed`],
    ['POST', `/jobs/${randomUUID()}/failed`],
    ['GET', '/users/me'],
  ] as const;

  test.each(routes)(
    '%s %s is 401 without a key and 403 with an unknown one, whatever else is wrong',
    async (method, path) => {
      const body = method === 'POST' ? 'no JSON' : undefined;
      const anonymous = await app.rest(undefined, method, path, body);
      const unknown = await app.rest('unknown', method, path, body);
      expect([anonymous.status, problemIn(anonymous.body).error]).toEqual([401, 'Unauthorized']);
      expect([unknown.status, problemIn(unknown.body).error]).toEqual([403, 'Forbidden']);
    },
  );

  test.each([
    ['SUBMITTER', { submit: 202, read: 200, work: 403 }],
    ['AGENT', { submit: 403, read: 403, work: 200 }],
    ['VIEWER', { submit: 403, read: 200, work: 403 }],
  ] as const)('of the role %s may do what the role says', async (role, expected) => {
    const { secret } = await app.account(role);
    const statuses = {
      submit: (await app.rest(secret, 'POST', '/jobs', submission())).status,
      read: (await app.rest(secret, 'GET', '/jobs')).status,
      work: (await app.rest(secret, 'GET', '/work?machine_id=m&container_group_id=group')).status,
    };
    expect(statuses).toEqual(expected);
  });

  test('that may only read do not see a job’s environment; the one that runs it does', async () => {
    const owner = (await app.account('OWNER', 'shared')).secret;
    const reader = (await app.account('VIEWER', 'shared')).secret;
    const agent = (await app.account('AGENT', 'shared')).secret;
    const { id } = await submitted({ environment: { SECRET: 'x' } }, owner);
    expect(jobIn((await app.rest(owner, 'GET', `/jobs/${id}`)).body).environment).toEqual({ SECRET: 'x' });
    expect(jobIn((await app.rest(reader, 'GET', `/jobs/${id}`)).body).environment).toBeNull();
    const [claimed] = jobsIn((await app.rest(agent, 'GET', '/work?machine_id=m&container_group_id=group')).body);
    expect(claimed).toMatchObject({ id, environment: { SECRET: 'x' } });
  });
});
