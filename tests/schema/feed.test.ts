import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { cursorOf } from '../../core/events/position.ts';
import { cancelJob } from '../../core/jobs/cancel.ts';
import { purgeJobs } from '../../core/jobs/purge.ts';
import { startTestApp } from '../support/app.ts';
import { refusal } from '../support/graphql.ts';
import { hear } from '../support/hear.ts';
import { submit } from '../support/jobs.ts';
import { until } from '../support/until.ts';

const app = await startTestApp();
afterAll(() => app.close());

type Told = Record<string, unknown> & { __typename: string };

const JOB_EVENTS = `subscription ($after: Cursor, $filter: JobFilter) {
  jobEvents(after: $after, filter: $filter) {
    __typename
    ... on JobEvent { cursor seq type at jobId attempt data }
    ... on EventGap { message oldestCursor }
  }
}`;

/** What the feed tells a key over a websocket. */
const follow = (key: string, variables: Record<string, unknown>) => hear<Told>(app.socket(key), JOB_EVENTS, variables);

async function feedCursor(key: string): Promise<string> {
  const { data } = await app.graphql(key, '{ feedCursor }');
  return z.object({ feedCursor: z.string() }).parse(data).feedCursor;
}

describe('jobEvents', () => {
  test('tells what happens after a cursor, of jobs that fit, and resumes after any event', async () => {
    const { viewer, secret } = await app.account();
    const after = await feedCursor(secret);
    const kept = await submit(app.core, viewer, { labels: { team: 'a' } });
    await submit(app.core, viewer, { labels: { team: 'b' } });
    await cancelJob(app.core, viewer, kept.id);
    const filter = { labels: { team: 'a' } };
    const all = follow(secret, { after, filter });
    await until('both events', () => all.heard.length === 2);
    expect(all.heard[0]).toMatchObject({ __typename: 'JobEvent', seq: 1, type: 'SUBMITTED', jobId: kept.id });
    const rest = follow(secret, { after: all.heard[0]?.cursor, filter });
    await until('the rest', () => rest.heard.length === 1);
    expect(rest.heard).toEqual(all.heard.slice(1));
    all.leave();
    rest.leave();
  });

  test('tells of single jobs, what was and what comes, to each who follows them, and of another account’s nothing', async () => {
    const [{ viewer, secret }, stranger] = [await app.account(), await app.account()];
    const after = await feedCursor(secret);
    const [one, other] = [await submit(app.core, viewer), await submit(app.core, viewer)];
    const filter = { ids: [one.id.toUpperCase(), 'no id'] };
    const followers = [follow(secret, { after, filter }), follow(secret, { after, filter })];
    const spy = follow(stranger.secret, { after, filter });
    const none = follow(secret, { after, filter: { ids: [] } });
    await until('the first event', () => followers.every(({ heard }) => heard.length === 1));
    await cancelJob(app.core, viewer, other.id);
    await cancelJob(app.core, viewer, one.id);
    const mine = await submit(app.core, stranger.viewer);
    const theirs = follow(stranger.secret, { after, filter: { ids: [mine.id] } });
    await until('both events', () => followers.every(({ heard }) => heard.length === 2));
    await until('the stranger’s own', () => theirs.heard.length === 1);
    for (const { heard } of followers) {
      expect(heard.map(({ jobId, type }) => [jobId, type])).toEqual([
        [one.id, 'SUBMITTED'],
        [one.id, 'CANCELED'],
      ]);
    }
    expect([spy.heard, none.heard]).toEqual([[], []]);
    for (const { leave } of [...followers, spy, none, theirs]) leave();
  });

  test('refuses more jobs than it says', async () => {
    const { secret } = await app.account();
    const told = follow(secret, { filter: { ids: Array<string>(101).fill('x') } });
    await until('the refusal', () => told.errors.length > 0);
    expect(told.errors[0]?.message).toContain('100');
  });

  test('shows the job of an event as it is now, and none that was removed', async () => {
    const { viewer, secret } = await app.account();
    const [kept, gone] = [await submit(app.core, viewer), await submit(app.core, viewer)];
    const query = `query ($id: ID!) { job(id: $id) { events { nodes { seq job { id status } } } } }`;
    await cancelJob(app.core, viewer, kept.id);
    const { data } = await app.graphql(secret, query, { id: kept.id });
    const job = { id: kept.id, status: 'CANCELED' };
    expect(data).toEqual({
      job: {
        events: {
          nodes: [
            { seq: 1, job },
            { seq: 2, job },
          ],
        },
      },
    });
    const after = { xid: '0', id: '0' };
    await purgeJobs(app.core, viewer, 'group');
    const { heard, leave } = hear(
      app.socket(secret),
      `subscription ($after: Cursor, $ids: [ID!]) {
        jobEvents(after: $after, filter: { ids: $ids }) { ... on JobEvent { type job { id } } } }`,
      { after: cursorOf(after), ids: [gone.id] },
    );
    await until('both events', () => heard.length === 2);
    expect(heard).toEqual(['SUBMITTED', 'PURGED'].map((type) => ({ type, job: null })));
    leave();
  });

  test('tells that events were removed, and goes on with the oldest that are left', async () => {
    const { viewer, secret } = await app.account();
    const after = await feedCursor(secret);
    const [gone, left] = [await submit(app.core, viewer), await submit(app.core, viewer)];
    const first = follow(secret, { after });
    await until('both events', () => first.heard.length === 2);
    first.leave();
    await app.database.query(
      `with last as (delete from job_events where job_id = $1 returning xid, id)
       update event_horizon set xid = last.xid, event_id = last.id from last`,
      [gone.id],
    );
    const late = follow(secret, { after });
    await until('the gap and the rest', () => late.heard.length === 2);
    expect(late.heard[0]).toMatchObject({ __typename: 'EventGap', oldestCursor: first.heard[0]?.cursor });
    expect(String(late.heard[0]?.message)).toContain('removed');
    expect(late.heard[1]?.jobId).toBe(left.id);
    late.leave();
  });

  test('ends within 5 s when the key is revoked', async () => {
    const { viewer, secret } = await app.account();
    const feed = follow(secret, { after: await feedCursor(secret) });
    await submit(app.core, viewer);
    await until('the event', () => feed.heard.length === 1);
    await app.database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    await until('the end', feed.ended, 5_000);
  });

  test.each([
    ['a text that is none', 'nonsense'],
    ['a cursor of another list', Buffer.from('p:1').toString('base64url')],
  ])('%s is refused as a place', async (_, after) => {
    const { secret } = await app.account();
    const feed = follow(secret, { after });
    await until('the refusal', () => feed.errors.length > 0);
    expect(feed.errors[0]?.message).toContain('after: Expected the cursor of an event');
  });

  test('a key that may not read learns neither events nor where they stand', async () => {
    const { secret } = await app.account('AGENT');
    const feed = follow(secret, {});
    await until('the refusal', () => feed.errors.length > 0);
    expect(feed.errors[0]?.message).toContain('may read');
    expect((await refusal(app, secret, '{ feedCursor }')).extensions?.code).toBe('FORBIDDEN');
  });
});
