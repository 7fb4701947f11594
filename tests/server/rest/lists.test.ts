import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { jobsIn, pageIn, problemIn, submission } from '../../support/rest.ts';

let app: TestApp;
let key: string;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

async function fresh() {
  key = (await app.account()).secret;
}

async function batch(jobs: object[], idempotencyKey?: string) {
  const response = await fetch(`${app.url}/jobs/batch`, {
    method: 'POST',
    headers: { 'X-Kelpie-Key': key, ...(idempotencyKey !== undefined && { 'Idempotency-Key': idempotencyKey }) },
    body: JSON.stringify(jobs.map(submission)),
  });
  return { status: response.status, body: (await response.json()) as unknown };
}

const list = async (query: string) => pageIn((await app.rest(key, 'GET', `/jobs?${query}`)).body);

describe('a page of many jobs', () => {
  test('is whole, in order, and its count is its length', async () => {
    await fresh();
    const names = Array.from({ length: 300 }, (_, index) => `${index}`);
    expect((await batch(names.map((name) => ({ name })))).status).toBe(202);
    const page = await list('page_size=1000&asc=true');
    expect(page._count).toBe(300);
    expect(page.jobs.map(({ name }) => name)).toEqual(names);
    const last = await list('page_size=130&page=3&asc=true');
    expect([last._count, last.jobs[0]?.name]).toEqual([40, '260']);
  });

  test('is not held in memory: the server loads what its reader takes', async () => {
    await fresh();
    const environment = { A: 'x'.repeat(60_000), B: 'y'.repeat(60_000) };
    await app.rest(key, 'POST', '/jobs', submission({ environment }));
    await app.database.query(
      `insert into jobs (account_id, api_key_id, command, arguments, environment, container_group_id, labels, max_failures,
                         heartbeat_interval)
       select account_id, api_key_id, command, arguments, environment, container_group_id, labels, 3, 30
       from jobs, generate_series(1, 199) where environment ? 'B'`,
    );
    const response = await fetch(`${app.url}/jobs?page_size=1000`, { headers: { 'X-Kelpie-Key': key } });
    const reader = response.body!.getReader();
    const first = await reader.read();
    // What was not read yet is removed meanwhile: it could only be left out if it was not loaded yet.
    await app.database.query('delete from jobs');
    let text = '';
    let size = first.value?.byteLength ?? 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      size += part.value.byteLength;
      text = (text + Buffer.from(part.value).toString()).slice(-100);
    }
    const count = Number(/"_count":(\d+)}$/.exec(text)?.[1]);
    expect(count).toBeGreaterThanOrEqual(32);
    expect(count).toBeLessThan(200);
    expect(size).toBeGreaterThan(count * 120_000);
  });
});

describe('what is stored of a job is bounded', () => {
  test.each([
    ['environment', { environment: { A: 'x'.repeat(100_000), B: 'x'.repeat(100_000), C: 'x'.repeat(100_000) } }],
    ['arguments', { arguments: Array(3).fill('x'.repeat(100_000)) as string[] }],
    [
      'sync',
      {
        sync: {
          after: Array(32).fill({
            bucket: 'b',
            prefix: 'é'.repeat(1_000),
            local_path: '/é'.repeat(2_048),
            direction: 'upload',
          }) as object[],
          during: Array(32).fill({
            bucket: 'b',
            prefix: 'p',
            local_path: '/é'.repeat(2_048),
            direction: 'upload',
          }) as object[],
        },
      },
    ],
  ])('to 256 KiB, and the largest field is named: %s', async (field, part) => {
    await fresh();
    const { status, body } = await app.rest(key, 'POST', '/jobs', submission(part));
    expect(status).toBe(400);
    const problem = problemIn(body);
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual([`/${field}`]);
    expect(problem.detail).toContain('262144');
  });

  test('a fault with a name of a megabyte is told in a few words', async () => {
    await fresh();
    const { body } = await app.rest(key, 'POST', '/jobs', submission({ ['x'.repeat(1_000_000)]: 1 }));
    expect(JSON.stringify(problemIn(body)).length).toBeLessThan(10_000);
  });
});

describe('names that objects have already', () => {
  const names = ['constructor', 'toString', 'hasOwnProperty', 'then', 'length', 'prototype', ''];

  test('are kept in environment and labels as they are', async () => {
    await fresh();
    const environment = Object.fromEntries(names.filter((name) => name !== '').map((name) => [name, name]));
    const { body } = await app.rest(key, 'POST', '/jobs', submission({ environment, labels: environment }));
    expect(body).toMatchObject({ environment, labels: environment });
    expect((await list('')).jobs[0]).toMatchObject({ environment, labels: environment });
  });

  test.each([
    ['{"command":"x","container_group_id":"g","environment":{"A":"1","__proto__":"2"}}', '/environment/__proto__'],
    ['{"command":"x","container_group_id":"g","labels":{"\\u005f\\u005fproto__":"2"}}', '/labels/__proto__'],
    ['{"command":"x","container_group_id":"g","__proto__":{"name":"y"}}', '/__proto__'],
  ])('or refused by name: %s', async (text, pointer) => {
    await fresh();
    const { status, body } = await app.rest(key, 'POST', '/jobs', text);
    expect([status, problemIn(body).errors?.map((fault) => fault.pointer)]).toEqual([400, [pointer]]);
    expect((await list(''))._count).toBe(0);
  });
});

describe('a batch under an idempotency key', () => {
  const jobs = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
  const ids = ({ body }: { body: unknown }) => jobsIn(body).map(({ id }) => id);

  test('is the same jobs in the same order when it is sent again, also at the same time', async () => {
    await fresh();
    const answers = await Promise.all([1, 2, 3].map(() => batch(jobs, 'key')));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(new Set(answers.map((answer) => ids(answer).join())).size).toBe(1);
    expect((await list(''))._count).toBe(3);
  });

  test.each([
    ['one job more', [...jobs, { name: 'd' }]],
    ['one job less', jobs.slice(0, 2)],
    ['another order', [...jobs].reverse()],
    ['another job', [{ name: 'a' }, { name: 'b' }, { name: 'x' }]],
  ])('is a conflict with %s, and nothing is stored', async (_, other) => {
    await fresh();
    await batch(jobs, 'key');
    const { status, body } = await batch(other, 'key');
    expect([status, problemIn(body).error]).toEqual([409, 'Conflict']);
    expect((await list(''))._count).toBe(3);
  });

  test('has nothing to do with the key of a single job', async () => {
    await fresh();
    await batch([{ name: 'a' }], 'key');
    for (const single of ['key', 'key#0', 'key0']) {
      const response = await fetch(`${app.url}/jobs`, {
        method: 'POST',
        headers: { 'X-Kelpie-Key': key, 'Idempotency-Key': single },
        body: JSON.stringify(submission({ name: 'b' })),
      });
      expect([single, response.status]).toEqual([single, 202]);
    }
    expect((await list(''))._count).toBe(4);
  });
});
