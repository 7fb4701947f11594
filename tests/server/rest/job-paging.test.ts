import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { spec } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';
import { jobIn, pageIn, problemIn, submission } from '../../support/rest.ts';

let app: TestApp;
beforeAll(async () => void (app = await startTestApp()));
afterAll(() => app.close());

/** Follows the Link of each page to the last one. */
async function walk(key: string, query: string, between: () => Promise<unknown> = () => Promise.resolve()) {
  const pages: string[][] = [];
  let url: string | undefined = `${app.url}/jobs${query}`;
  while (url !== undefined) {
    const response: Response = await fetch(url, { headers: { 'X-Kelpie-Key': key } });
    const page = pageIn(await response.json());
    expect(page._count).toBe(page.jobs.length);
    pages.push(page.jobs.map(({ id }) => id));
    const link = /^<(.*)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
    expect(link === undefined).toBe(page.next === null);
    if (page.next !== null) expect(link).toContain(`after=${page.next}`);
    url = link === undefined ? undefined : new URL(link, url).href;
    await between();
  }
  return pages;
}

async function jobs(count: number, part: object = {}) {
  const { viewer, secret } = await app.account();
  const stored = await submitJobs(
    app.core,
    viewer,
    Array.from({ length: count }, () => spec(part)),
  );
  return { viewer, secret, ids: stored.map(({ id }) => id) };
}

describe('GET /jobs by place', () => {
  test('gives each job once, newest first, also when younger ones come meanwhile', async () => {
    const { viewer, secret, ids } = await jobs(7);
    const pages = await walk(secret, '?page_size=3', () => submit(app.core, viewer));
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(ids.toReversed());
  });

  test('oldest first, within a filter, and from a numbered page on', async () => {
    const { viewer, secret, ids } = await jobs(6);
    await cancelJob(app.core, viewer, ids[0]!);
    expect((await walk(secret, '?page_size=2&asc=true&status=pending')).flat()).toEqual(ids.slice(1));
    expect((await walk(secret, '?page_size=2&asc=true&page=2')).flat()).toEqual(ids.slice(2));
  });

  test('a page that is just full is the last when nothing follows', async () => {
    const { secret, ids } = await jobs(4);
    expect(await walk(secret, '?page_size=2')).toEqual([ids.toReversed().slice(0, 2), ids.toReversed().slice(2)]);
  });

  test.each(['?after=x', '?after=', '?page=2&after=cDox'])('%s is refused', async (query) => {
    const { secret } = await app.account();
    const { status, body } = await app.rest(secret, 'GET', `/jobs${query}`);
    expect(status).toBe(400);
    expect(problemIn(body).errors?.[0]?.pointer).toBe('/after');
  });
});

describe('Idempotency-Key', () => {
  const post = async (key: string, path: string, body: unknown, idempotencyKey: string) => {
    const response = await fetch(`${app.url}${path}`, {
      method: 'POST',
      headers: { 'X-Kelpie-Key': key, 'Idempotency-Key': idempotencyKey },
      body: JSON.stringify(body),
    });
    return {
      status: response.status,
      replayed: response.headers.get('idempotency-replayed'),
      body: (await response.json()) as unknown,
    };
  };

  test('Rule 14: what is sent again is answered the same, and says that it was known', async () => {
    const { secret } = await app.account();
    const first = await post(secret, '/jobs', submission(), 'one');
    const again = await post(secret, '/jobs', submission(), 'one');
    expect([first.status, first.replayed]).toEqual([202, null]);
    expect([again.status, again.replayed]).toEqual([202, 'true']);
    expect(again.body).toEqual(first.body);
    expect((await post(secret, '/jobs', submission(), 'two')).replayed).toBeNull();
  });

  test('with another body it is a conflict', async () => {
    const { secret } = await app.account();
    await post(secret, '/jobs', submission(), 'one');
    const other = await post(secret, '/jobs', submission({ command: 'false' }), 'one');
    expect([other.status, other.replayed]).toEqual([409, null]);
    expect(problemIn(other.body).type).toBe('urn:kelpie:problem:conflict');
  });

  test('sent 20 times at once, one job is stored, and one answer says that it is new', async () => {
    const { secret } = await app.account();
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(secret, '/jobs', submission(), 'burst')));
    expect(new Set(answers.map(({ body }) => jobIn(body).id)).size).toBe(1);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1);
    expect(pageIn((await app.rest(secret, 'GET', '/jobs')).body)._count).toBe(1);
  });

  test('of a batch says so too', async () => {
    const { secret } = await app.account();
    const body = [submission(), submission({ name: 'second' })];
    const first = await post(secret, '/jobs/batch', body, 'batch');
    const again = await post(secret, '/jobs/batch', body, 'batch');
    expect([first.replayed, again.replayed]).toEqual([null, 'true']);
    expect(again.body).toEqual(first.body);
  });
});
