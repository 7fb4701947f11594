import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { findJob } from '../../../core/jobs/find.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { eventView, jobEventView } from '../../../server/rest/event-view.ts';
import { MOST_OPEN_REQUESTS } from '../../../server/rest/open-requests.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { spec } from '../../support/core.ts';
import { openEventSource, type TestEventSource } from '../../support/event-source.ts';
import { claim, submit } from '../../support/jobs.ts';
import { problemIn } from '../../support/rest.ts';
import { until } from '../../support/until.ts';

let app: TestApp;
const sources: TestEventSource[] = [];
beforeAll(async () => void (app = await startTestApp({ news: { everyMs: 1 } })));
afterAll(async () => {
  await Promise.all(sources.map((source) => source.close()));
  await app.close();
});

async function stream(path: string, key: string, headers: Record<string, string> = {}): Promise<TestEventSource> {
  const source = await openEventSource(`${app.url}${path}`, key, headers);
  sources.push(source);
  return source;
}

const jobList = z.strictObject({ _count: z.int(), events: z.array(z.strictObject(jobEventView.shape)) });
const list = z.strictObject({
  _count: z.int(),
  events: z.array(z.strictObject(eventView.shape)),
  next: z.string(),
  more: z.boolean(),
  gap: z.strictObject({ message: z.string(), oldest: z.string() }).nullable(),
});

async function listed(key: string, query: string): Promise<z.infer<typeof list>> {
  const { status, body } = await app.rest(key, 'GET', `/events${query}`);
  expect(status).toBe(200);
  return list.parse(body);
}

/** Makes an event so many times, while nobody else does. */
async function changePhase(viewer: Viewer, lease: { jobId: string; attempt: number }, times: number): Promise<void> {
  for (let index = 0; index < times; index++) {
    await heartbeat(app.core, viewer, lease, { phase: index % 2 === 0 ? 'DOWNLOADING' : 'RUNNING' });
  }
}

const seqs = (source: TestEventSource) => source.heard.map(({ data }) => data.seq);
const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);

describe('GET /jobs/:id/events', () => {
  test('lists what happened, page by page, after a seq or a cursor', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const { lease } = await claim(app.core, viewer);
    await changePhase(viewer, lease, 3);
    const at = async (query: string) =>
      jobList.parse((await app.rest(secret, 'GET', `/jobs/${id}/events${query}`)).body);
    const all = await at('');
    expect(all._count).toBe(5);
    expect(all.events.map(({ seq, type }) => [seq, type])).toEqual([
      [1, 'SUBMITTED'],
      [2, 'CLAIMED'],
      [3, 'PHASE_CHANGED'],
      [4, 'PHASE_CHANGED'],
      [5, 'PHASE_CHANGED'],
    ]);
    expect(all.events[1]).toMatchObject({ attempt: 1, data: { machineId: 'machine' } });
    expect((await at('?after=1&limit=2')).events).toEqual(all.events.slice(1, 3));
    expect((await at(`?after=${all.events[3]!.cursor}`)).events).toEqual(all.events.slice(4));
    expect(await at('?after=9999999999')).toEqual({ _count: 0, events: [] });
  });

  test('streams what there was, then what follows, also after the end, and resumes by the last id', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const source = await stream(`/jobs/${id}/events`, secret);
    expect([source.status, source.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    const { lease } = await claim(app.core, viewer);
    await changePhase(viewer, lease, 5);
    await cancelJob(app.core, viewer, id);
    await until('the cancel', () => source.heard.at(-1)?.data.type === 'CANCELED');
    await source.close();
    await retryJob(app.core, viewer, id);
    const again = await stream(`/jobs/${id}/events?after=1`, secret, { 'Last-Event-ID': source.lastId() ?? '' });
    await until('the retry', () => again.heard.length > 0);
    expect([...seqs(source), ...seqs(again)]).toEqual(upTo(10));
    expect(again.heard[0]).toMatchObject({ id: again.heard[0]?.data.cursor, data: { type: 'RETRIED', attempt: null } });
  });

  test('under many writers, a stream has every event once, in order', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const { lease } = await claim(app.core, viewer);
    const source = await stream(`/jobs/${id}/events?after=2`, secret);
    await Promise.all(Array.from({ length: 6 }, () => changePhase(viewer, lease, 25)));
    const { eventSeq } = await findJob(app.core, viewer, id);
    // At least what one writer alone would have changed: in step with each other, the others change nothing.
    expect(eventSeq).toBeGreaterThanOrEqual(2 + 25);
    await until('all', () => source.heard.length >= eventSeq - 2);
    expect(seqs(source)).toEqual(upTo(eventSeq).slice(2));
  });

  test('ends when the key is revoked, within 5 s', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const source = await stream(`/jobs/${id}/events`, secret);
    const ofAccount = await stream('/events', secret);
    await until('the first event', () => source.heard.length === 1);
    await app.database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    await until('the streams to end', () => source.ended() && ofAccount.ended(), 5_000);
  });

  test('ends when the job is removed, and is not found then', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const source = await stream(`/jobs/${id}/events`, secret);
    await until('the first event', () => source.heard.length === 1);
    await app.database.query(
      `with gone as (delete from jobs where id = $1 returning *)
       insert into job_events (job_id, seq, account_id, container_group_id, type, data)
       select id, 2, account_id, container_group_id, 'PURGED', '{}' from gone`,
      [id],
    );
    app.core.announce();
    await until('the stream to end', () => source.ended());
    expect(source.heard.at(-1)?.data).toMatchObject({ seq: 2, type: 'PURGED' });
    expect((await stream(`/jobs/${id}/events`, secret)).status).toBe(404);
  });

  test('of another account’s job is not found, and of a text that is no place is refused by name', async () => {
    const [owner, stranger] = [await app.account(), await app.account()];
    const { id } = await submit(app.core, owner.viewer);
    expect((await app.rest(stranger.secret, 'GET', `/jobs/${id}/events`)).status).toBe(404);
    expect((await stream(`/jobs/${id}/events`, stranger.secret)).status).toBe(404);
    for (const [path, headers, name] of [
      [`/jobs/${id}/events?after=-1`, {}, 'after'],
      [`/jobs/${id}/events?limit=0`, {}, 'limit'],
      [`/jobs/${id}/events`, { 'Last-Event-ID': 'nonsense' }, 'Last-Event-ID'],
      ['/events?after=7', {}, 'after'],
      ['/events', { 'Last-Event-ID': '%' }, 'Last-Event-ID'],
    ] as const) {
      const response = await fetch(`${app.url}${path}`, {
        headers: { 'X-Kelpie-Key': owner.secret, Accept: 'text/event-stream', ...headers },
      });
      expect([path, response.status]).toEqual([path, 400]);
      expect(problemIn(await response.json()).errors?.[0]?.pointer).toBe(`/${name}`);
    }
  });

  test('HEAD has the headers and leaves nothing open', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const response = await fetch(`${app.url}/jobs/${id}/events`, {
      method: 'HEAD',
      headers: { 'X-Kelpie-Key': secret, Accept: 'text/event-stream' },
    });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });
});

describe('GET /events', () => {
  test('lists what happens from a place on, to nobody else', async () => {
    const [one, other] = [await app.account(), await app.account()];
    const start = await listed(one.secret, '');
    expect(start).toMatchObject({ _count: 0, events: [], more: false, gap: null });
    const specs = Array.from({ length: 5 }, () => spec());
    const jobs = await submitJobs(app.core, one.viewer, specs);
    await submit(app.core, other.viewer);
    await until(
      'the events to be settled',
      async () => (await listed(one.secret, `?after=${start.next}`))._count === 5,
    );
    const first = await listed(one.secret, `?after=${start.next}&limit=3`);
    const second = await listed(one.secret, `?after=${first.next}&limit=3`);
    expect([first.more, second.more]).toEqual([true, false]);
    expect([...first.events, ...second.events].map((event) => event.job_id)).toEqual(jobs.map(({ id }) => id));
    expect((await listed(one.secret, `?after=${first.events[0]!.cursor}`)).events).toEqual([
      ...first.events.slice(1),
      ...second.events,
    ]);
    expect((await listed(one.secret, `?after=${start.next}&container_group_id=other`)).events).toEqual([]);
    expect((await listed(one.secret, `?after=${start.next}&status=pending`)).events).toHaveLength(5);
    expect((await listed(one.secret, `?after=${start.next}&status=failed`)).events).toHaveLength(0);
  });

  test('streams from now on, and resumes where it was, also when nothing was heard yet', async () => {
    const { viewer, secret } = await app.account();
    const silent = await stream('/events', secret);
    await until('its place', () => silent.lastId() !== undefined);
    await silent.close();
    const jobs = await submitJobs(
      app.core,
      viewer,
      Array.from({ length: 30 }, () => spec()),
    );
    const first = await stream('/events', secret, { 'Last-Event-ID': silent.lastId() ?? '' });
    await until('all', () => first.heard.length === 30);
    const middle = first.heard[11]!.id ?? '';
    const rest = await stream(`/events?after=${middle}`, secret);
    await cancelJob(app.core, viewer, jobs[0]!.id);
    await until('the rest and the cancel', () => rest.heard.length === 19);
    expect([...first.heard.slice(0, 12), ...rest.heard.slice(0, -1)].map(({ data }) => data.job_id)).toEqual(
      jobs.map(({ id }) => id),
    );
    expect(rest.heard.at(-1)?.data.type).toBe('CANCELED');
  });

  test('tells of events that were removed', async () => {
    const { viewer, secret } = await app.account();
    const start = await listed(secret, '');
    await submitJobs(
      app.core,
      viewer,
      Array.from({ length: 4 }, () => spec()),
    );
    await until('the events to be settled', async () => (await listed(secret, `?after=${start.next}`))._count === 4);
    await app.database.query(
      `with last as (select xid, id from job_events where account_id = $1 order by xid, id offset 1 limit 1),
            gone as (delete from job_events e using last where e.account_id = $1 and (e.xid, e.id) <= (last.xid, last.id))
       update event_horizon set xid = last.xid, event_id = last.id from last`,
      [viewer.accountId],
    );
    const { events, gap } = await listed(secret, `?after=${start.next}`);
    expect(events).toHaveLength(2);
    expect(gap?.message).toContain('removed');
    expect((await listed(secret, `?after=${gap?.oldest ?? ''}`)).gap).toBeNull();
    const source = await stream(`/events?after=${start.next}`, secret);
    await until('the gap and the rest', () => source.heard.length === 3);
    expect(source.heard.map(({ event }) => event)).toEqual(['gap', 'message', 'message']);
    expect(source.heard[0]).toMatchObject({ id: gap?.oldest, data: gap });
  });

  test('an agent’s key may not read it', async () => {
    const { secret } = await app.account('AGENT');
    expect((await app.rest(secret, 'GET', '/events')).status).toBe(403);
    expect((await stream('/events', secret)).status).toBe(403);
  });

  test('too many streams of one key are refused, with their bound; and none keeps the server from stopping', async () => {
    const own = await startTestApp();
    const { secret } = await own.account();
    const open = await Promise.all(
      Array.from({ length: MOST_OPEN_REQUESTS }, () => openEventSource(`${own.url}/events`, secret)),
    );
    expect(open.every(({ status }) => status === 200)).toBe(true);
    const refused = await fetch(`${own.url}/events`, {
      headers: { 'X-Kelpie-Key': secret, Accept: 'text/event-stream' },
    });
    expect(refused.status).toBe(429);
    expect(problemIn(await refused.json()).detail).toContain(String(MOST_OPEN_REQUESTS));
    const begun = performance.now();
    await own.close();
    // Less than what requests are given before they are cut off.
    expect(performance.now() - begun).toBeLessThan(2_500);
    await until('all to end', () => open.every((source) => source.ended()));
  });
});
