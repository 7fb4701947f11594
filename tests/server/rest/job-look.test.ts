import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { MOST_OPEN_REQUESTS } from '../../../server/rest/open-requests.ts';
import { names, preferredWait } from '../../../server/rest/conditions.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { claim, endings, submit } from '../../support/jobs.ts';
import { jobIn, problemIn } from '../../support/rest.ts';
import { until } from '../../support/until.ts';

let app: TestApp;
beforeAll(async () => void (app = await startTestApp()));
afterAll(() => app.close());

/** A look at a job with some headers; a body that is there is a job. */
async function look(key: string, id: string, headers: Record<string, string> = {}, signal?: AbortSignal) {
  const begun = performance.now();
  const response = await fetch(`${app.url}/jobs/${id}`, {
    headers: { 'X-Kelpie-Key': key, ...headers },
    ...(signal && { signal }),
  });
  const text = await response.text();
  return {
    status: response.status,
    etag: response.headers.get('etag') ?? '',
    applied: response.headers.get('preference-applied'),
    text,
    job: () => jobIn(JSON.parse(text)),
    tookMs: performance.now() - begun,
  };
}

/** Resolves when so many requests wait. */
async function untilWatched(looks: () => number, atLeast: number): Promise<void> {
  await until(`${atLeast} requests to wait`, () => looks() >= atLeast);
}

/** Counts the watched jobs of which the present state has been told: from then on a change is one. */
function countWatches({ core }: TestApp = app): () => number {
  let count = 0;
  const watch = core.watchers.watch.bind(core.watchers);
  core.watchers.watch = (...args) => {
    const states = watch(...args);
    const next = states.next.bind(states);
    let isFirst = true;
    states.next = async () => {
      const step = await next();
      if (isFirst) count += 1;
      isFirst = false;
      return step;
    };
    return states;
  };
  return () => count;
}

describe('the tag of a job', () => {
  test('is strong, and the same as long as the body is', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const [one, again] = [await look(secret, id), await look(secret, id)];
    expect(one.etag).toMatch(/^"[\w-]{22}"$/);
    expect(again.etag).toBe(one.etag);
    expect(again.text).toBe(one.text);
  });

  test('a client that has the body is told so without one', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const { etag } = await look(secret, id);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await look(secret, id, { 'If-None-Match': known });
      expect([known, answer.status, answer.text, answer.etag]).toEqual([known, 304, '', etag]);
    }
    expect((await look(secret, id, { 'If-None-Match': '"other"' })).status).toBe(200);
  });

  test('changes with a claim, a heartbeat, an end', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const tags = [(await look(secret, id)).etag];
    const { lease } = await claim(app.core, viewer);
    tags.push((await look(secret, id)).etag);
    for (let beat = 0; beat < 2; beat++) {
      await heartbeat(app.core, viewer, lease);
      tags.push((await look(secret, id)).etag);
    }
    await finishAttempt(app.core, viewer, lease, endings.completed);
    tags.push((await look(secret, id)).etag);
    expect(new Set(tags).size).toBe(5);
  });

  test('is no way to see another account’s job', async () => {
    const [owner, stranger] = [await app.account(), await app.account()];
    const { id } = await submit(app.core, owner.viewer);
    const { etag } = await look(owner.secret, id);
    for (const headers of [{ 'If-None-Match': etag }, { 'If-None-Match': '*' }, { Prefer: 'wait=1' }]) {
      const answer = await look(stranger.secret, id, headers);
      expect(answer.status).toBe(404);
      expect(answer.etag).toBe('');
    }
  });
});

describe('Prefer: wait', () => {
  test('answers when the job changes, long before the time is over', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const watches = countWatches();
    const answer = look(secret, id, { Prefer: 'wait=30' });
    await untilWatched(watches, 1);
    await claim(app.core, viewer);
    const { status, applied, job, tookMs } = await answer;
    expect([status, applied, job().status]).toEqual([200, 'wait=30', 'running']);
    expect(tookMs).toBeLessThan(10_000);
  });

  test('answers at once when the job is another one than the client knows', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const { etag } = await look(secret, id);
    await claim(app.core, viewer);
    const { status, job, tookMs } = await look(secret, id, { Prefer: 'wait=30', 'If-None-Match': etag });
    expect([status, job().status]).toEqual([200, 'running']);
    expect(tookMs).toBeLessThan(10_000);
  });

  test('answers at once when the job has ended: with it, or that it is as known', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    await cancelJob(app.core, viewer, id);
    const first = await look(secret, id, { Prefer: 'wait=30' });
    expect([first.status, first.job().status]).toEqual([200, 'canceled']);
    const again = await look(secret, id, { Prefer: 'wait=30', 'If-None-Match': first.etag });
    expect([again.status, again.text, again.applied]).toEqual([304, '', 'wait=30']);
    expect(first.tookMs + again.tookMs).toBeLessThan(10_000);
  });

  test('after the time, what is as it was is told so, and what is not known is sent', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const { etag } = await look(secret, id);
    const [known, unknown, none] = await Promise.all([
      look(secret, id, { Prefer: 'wait=1', 'If-None-Match': etag }),
      look(secret, id, { Prefer: 'wait=1' }),
      look(secret, id, { Prefer: 'wait=0' }),
    ]);
    expect([known.status, known.applied]).toEqual([304, 'wait=1']);
    expect([unknown.status, unknown.applied]).toEqual([200, 'wait=1']);
    expect([none.status, none.applied]).toEqual([200, 'wait=0']);
    expect(Math.min(known.tookMs, unknown.tookMs)).toBeGreaterThan(900);
  });

  test('too many requests of one key may not wait at once; those of another may', async () => {
    const { viewer, secret } = await app.account();
    const other = await app.account();
    const { id } = await submit(app.core, viewer);
    const leaving = new AbortController();
    const watches = countWatches();
    const waiting = Array.from({ length: MOST_OPEN_REQUESTS }, () =>
      look(secret, id, { Prefer: 'wait=60' }, leaving.signal).catch(() => undefined),
    );
    await untilWatched(watches, MOST_OPEN_REQUESTS);
    const refused = await fetch(`${app.url}/jobs/${id}`, { headers: { 'X-Kelpie-Key': secret, Prefer: 'wait=60' } });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(problemIn(await refused.json()).detail).toContain(`At most ${MOST_OPEN_REQUESTS} requests`);
    expect((await look(secret, id)).status).toBe(200);
    const theirs = await submit(app.core, other.viewer);
    expect((await look(other.secret, theirs.id, { Prefer: 'wait=1' })).status).toBe(200);
    // Those that hang up make place.
    leaving.abort();
    await Promise.all(waiting);
    await until('a place', async () => (await look(secret, id, { Prefer: 'wait=1' })).status === 200);
  });

  test('a key that is revoked meanwhile is shown nothing more', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const watches = countWatches();
    const answer = look(secret, id, { Prefer: 'wait=60' });
    await untilWatched(watches, 1);
    await app.database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    const { status, tookMs } = await answer;
    expect(status).toBe(403);
    expect(tookMs).toBeLessThan(5_000);
  });

  test('does not keep the server from stopping', async () => {
    const own = await startTestApp();
    const { viewer, secret } = await own.account();
    const { id } = await submit(own.core, viewer);
    const watches = countWatches(own);
    const answer = fetch(`${own.url}/jobs/${id}`, { headers: { 'X-Kelpie-Key': secret, Prefer: 'wait=60' } });
    await untilWatched(watches, 1);
    const begun = performance.now();
    await own.close();
    // Less than what requests are given before they are cut off.
    expect(performance.now() - begun).toBeLessThan(2_500);
    expect((await answer).status).toBe(200);
  });

  test.each([
    ['wait=5', 5],
    ['respond-async, WAIT = "7"; x=1', 7],
    ['wait=61', 60],
    ['wait=999999999', 60],
    ['wait=-1', undefined],
    ['wait=1.5', undefined],
    ['await=3', undefined],
    ['', undefined],
  ])('%j is %j seconds', (header, seconds) => {
    expect(preferredWait(header)).toBe(seconds);
  });

  test('tags are compared whole', () => {
    expect(names('"a,b"', '"a,b"')).toBe(true);
    expect(names('"ab"', '"a"')).toBe(false);
    expect(names(undefined, '"a"')).toBe(false);
  });
});

test('the documents tell of tags, waiting, streams, pages by place, and bounds', async () => {
  const { body } = await app.rest(undefined, 'GET', '/openapi.json');
  const paths = z
    .object({
      paths: z.record(
        z.string(),
        z.object({ get: z.looseObject({ responses: z.record(z.string(), z.any()) }).optional() }),
      ),
    })
    .parse(body).paths;
  const of = (path: string) => JSON.stringify(paths[path]?.get);
  for (const name of ['if-none-match', 'prefer', 'ETag', 'Preference-Applied', '304', '429']) {
    expect(of('/jobs/{id}')).toContain(`"${name}"`);
  }
  for (const path of ['/jobs/{id}/events', '/events']) {
    for (const name of ['last-event-id', 'after', 'text/event-stream', '429']) expect(of(path)).toContain(`"${name}"`);
  }
  for (const name of ['after', 'next', 'Link']) expect(of('/jobs')).toContain(`"${name}"`);
  expect(JSON.stringify(body)).toContain('Idempotency-Replayed');
});
