import { randomUUID } from 'node:crypto';
import type { ExecutionResult } from 'graphql';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../core/jobs/cancel.ts';
import { retryJob } from '../../core/jobs/retry.ts';
import { submitJobs } from '../../core/jobs/submit.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { spec } from '../support/core.ts';
import { ask, claimed, mutation, registered } from '../support/graphql.ts';
import { holding, waitingForLocks } from '../support/holding.ts';
import { claimMany, submit } from '../support/jobs.ts';
import { until } from '../support/until.ts';

/** Of which those who ask get six, and one account of them five. */
const CONNECTIONS = 10;
const app = await startTestApp({ maxConnections: CONNECTIONS });
afterAll(() => app.close());

/** What only people read is held, so that whoever reads it waits: no claim and no report does. */
const RULES = '{ scalingRules { containerGroupId } }';

async function rulesHeld() {
  const client = new pg.Client(app.database.url);
  await client.connect();
  await client.query('begin; lock table scaling_rules in access exclusive mode');
  return { [Symbol.asyncDispose]: () => client.end() };
}

/** How many statements wait for those rules; so many connections are taken. */
async function waitingForRules(): Promise<number> {
  const [row] = await app.database.query(
    `select count(*)::int as count from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock' and query like '%scaling_rules%'`,
  );
  return Number(row?.['count']);
}

/**
 * What is done once so many connections are held for those who wait for the rules.
 * @returns how many were held at a time, at most, until that was over
 */
async function whileHeld(count: number, work: () => Promise<void>): Promise<number> {
  let most = 0;
  let isOver = false;
  const look = async () => (most = Math.max(most, await waitingForRules()));
  await until(`${count} connections to be held`, async () => (await look()) >= count);
  const watching = until('the work to be over', async () => (await look()) >= 0 && isOver, 60_000);
  await work().finally(() => (isOver = true));
  await watching;
  return most;
}

/** Everybody's answers, good or bad, when it is over. */
function flood(key: string, count: number): Promise<unknown> {
  return Promise.allSettled(Array.from({ length: count }, () => app.graphql(key, RULES)));
}

/** An account with an agent on a socket of its own, and jobs that wait for it. */
async function fleet() {
  const { viewer, secret } = await app.account();
  await submitJobs(app.core, viewer, [spec(), spec(), spec()]);
  const agentId = await registered(app, secret);
  const client = app.socket(secret);
  const say = async (name: 'claimJob' | 'heartbeat' | 'appendLogs' | 'completeAttempt', input: object) => {
    const answers = client.iterate<Record<string, Record<string, unknown>>>({
      query: mutation(name),
      variables: { input },
    });
    // A return value there is none.
    const answer = (await answers.next()).value as ExecutionResult<Record<string, Record<string, unknown>>>;
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    return answer.data?.[name];
  };
  return { secret, agentId, say };
}

describe('whoever keeps the database waiting', () => {
  test('with one account after another keeps nobody from claiming, beating, logging and reporting', async () => {
    const { secret, agentId, say } = await fleet();
    const floods = await Promise.all([app.account('VIEWER'), app.account('VIEWER')]);
    await using held = await rulesHeld();
    const over = floods.map((account) => flood(account.secret, 15));
    const most = await whileHeld(6, async () => {
      const worker = { machine_id: 'other', container_group_id: 'group' };
      const polled = await app.rest(secret, 'GET', `/work?${new URLSearchParams(worker).toString()}`);
      expect(polled.body).toMatchObject([{ status: 'running' }]);
      const [{ id }] = polled.body as [{ id: string }];
      expect((await app.rest(secret, 'POST', `/jobs/${id}/heartbeat`, worker)).body).toEqual({ status: 'running' });
      const claim = await say('claimJob', { agentId, claimId: randomUUID() });
      const { job, attempt } = claim as { job: { id: string }; attempt: { number: number } };
      const lease = { jobId: job.id, attempt: attempt.number };
      expect(await say('heartbeat', { ...lease, phase: 'RUNNING' })).toMatchObject({ directive: 'CONTINUE' });
      const lines = [{ stream: 'STDOUT', afterMillis: 1, text: 'hello' }];
      expect(await say('appendLogs', { ...lease, offset: 0, lines })).toMatchObject({ nextOffset: 1 });
      expect(await say('completeAttempt', lease)).toMatchObject({ status: 'COMPLETED' });
      expect((await app.rest(secret, 'POST', `/jobs/${id}/completed`, worker)).status).toBe(200);
      expect(await registered(app, secret, 'third')).toEqual(expect.any(String));
    });
    expect(most).toBe(6);
    await held[Symbol.asyncDispose]();
    await Promise.all(over);
  });

  test('with one account leaves others a connection to read by, over REST as well', async () => {
    const { viewer, secret } = await app.account();
    const { id } = await submit(app.core, viewer);
    const { secret: hostile } = await app.account('VIEWER');
    await using held = await rulesHeld();
    const over = [flood(hostile, 15), floodByRest(hostile, 15)];
    const most = await whileHeld(5, async () => {
      expect(await ask(app, secret, `{ job(id: "${id}") { status } }`)).toEqual({ status: 'PENDING' });
      expect((await app.rest(secret, 'GET', '/users/me')).status).toBe(200);
    });
    expect(most).toBe(5);
    await held[Symbol.asyncDispose]();
    await Promise.all(over);
  });

  test('with one operation of many fields gets three connections', async () => {
    const { viewer, secret } = await app.account();
    await using held = await rulesHeld();
    const fields = Array.from({ length: 20 }, (_, n) => `f${n}: scalingRules { containerGroupId }`).join(' ');
    const answer = app.graphql(secret, `{ ${fields} }`);
    const most = await whileHeld(3, async () => {
      await submit(app.core, viewer);
    });
    expect(most).toBe(3);
    await held[Symbol.asyncDispose]();
    await answer;
  });
});

describe('what has begun to change many jobs', () => {
  test.each([
    [
      'GraphQL',
      (of: TestApp, key: string) => of.graphql(key, 'mutation { purgeJobs(containerGroupId: "group") { __typename } }'),
    ],
    ['REST', (of: TestApp, key: string) => of.rest(key, 'DELETE', '/jobs/container-groups/group')],
  ])('goes on over %s however long others keep it waiting, and is written down', async (_, purge) => {
    // Of which an account has one.
    const narrow = await startTestApp({ maxConnections: 3, turnPatienceMs: 300 });
    try {
      const { viewer, secret } = await narrow.account();
      // Two batches, the first of which waits for a job that somebody holds.
      const [first] = await submitJobs(narrow.core, viewer, Array(501).fill(spec()));
      const letGo = await holding(narrow.database, 'select from jobs where id = $1 for update', [first?.id]);
      const purged = purge(narrow, secret);
      await until('the first batch to wait', async () => (await waitingForLocks(narrow.database)) === 1);
      const letRead = await holding(narrow.database, 'lock table scaling_rules in access exclusive mode', []);
      const asking = [narrow.graphql(secret, RULES)];
      await letGo();
      // The turn of a question that comes between the batches.
      await until('a question to be before the second batch', async () => {
        if ((await waitingForLocks(narrow.database)) > 0) return true;
        asking.push(narrow.graphql(secret, RULES));
        return false;
      });
      // Who comes now is refused in the end, when the second batch has waited for as long.
      expect((await narrow.graphql(secret, RULES)).errors?.[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED' });
      await letRead();
      await Promise.all(asking);
      expect(JSON.stringify(await purged)).toMatch(/PurgedJobs|"count":501/);
      expect(
        await narrow.database.query("select data->>'count' count from audit_events where action = 'JOBS_PURGED'"),
      ).toEqual([{ count: '501' }]);
    } finally {
      await narrow.close();
    }
  });
});

/** The same over REST. */
function floodByRest(key: string, count: number): Promise<unknown> {
  return Promise.allSettled(Array.from({ length: count }, () => app.rest(key, 'GET', '/scaling-rules')));
}

describe('what an operation reads', () => {
  const large = spec({ arguments: ['x'.repeat(120_000), 'x'.repeat(120_000)] });

  test('of a list of jobs is so much at a time: the page ends early, and its cursor goes on', async () => {
    const { viewer, secret } = await app.account();
    const jobs = await submitJobs(app.core, viewer, Array<typeof large>(40).fill(large));
    for (const [size, from, more, cursor, order] of [
      ['first', 'after', 'hasNextPage', 'endCursor', 'OLDEST_FIRST'],
      ['last', 'before', 'hasPreviousPage', 'startCursor', 'NEWEST_FIRST'],
    ] as const) {
      const found: string[] = [];
      const sizes: number[] = [];
      for (let at: string | null = null; ;) {
        const query = `query ($at: String) { jobs(${size}: 100, ${from}: $at, orderBy: ${order}) {
          nodes { id } pageInfo { ${more} ${cursor} } } }`;
        const page = (await ask(app, secret, query, { at })) as unknown as {
          nodes: { id: string }[];
          pageInfo: Record<string, unknown>;
        };
        const ids = page.nodes.map(({ id }) => id);
        found.push(...(size === 'first' ? ids : ids.reverse()));
        sizes.push(ids.length);
        if (page.pageInfo[more] !== true) break;
        at = page.pageInfo[cursor] as string;
      }
      expect(found).toEqual(jobs.map(({ id }) => id));
      expect(sizes.length).toBeGreaterThan(1);
    }
  });

  test('by many fields at once is refused above its bound, and the connections are as good as before', async () => {
    const bounded = await startTestApp({ maxConnections: 2, limits: { KELPIE_MAX_READ_BYTES: 1_000_000 } });
    try {
      const { viewer, secret } = await bounded.account();
      const [job] = await submitJobs(bounded.core, viewer, Array<typeof large>(12).fill(large));
      const lists = ['a', 'b', 'c'].map((name) => `${name}: jobs(first: 12) { nodes { arguments } }`).join(' ');
      const { errors } = await bounded.graphql(secret, `{ ${lists} }`);
      expect(errors?.[0]).toMatchObject({
        message: expect.stringContaining('at most 1000000 bytes that an operation reads from the database') as unknown,
        extensions: { code: 'LIMIT_EXCEEDED', limit: 'KELPIE_MAX_READ_BYTES', max: 1_000_000 },
      });
      const input = Array.from({ length: 6 }, () => ({
        ...{ command: 'true', containerGroupId: 'group' },
        arguments: large.arguments,
      }));
      const stored = await ask(bounded, secret, mutation('submitJobs'), { input });
      expect(stored).toMatchObject({ __typename: 'SubmittedJobs' });
      const { data } = await bounded.graphql(secret, `{ job(id: "${job?.id}") { arguments } }`);
      expect(data).toEqual({ job: { arguments: large.arguments } });
      expect(((await bounded.rest(secret, 'GET', '/jobs')).body as { jobs: unknown[] }).jobs.length).toBe(18);
      expect((await bounded.core.em.fork().execute('select 1 as one')) as unknown).toEqual([{ one: 1 }]);
    } finally {
      await bounded.close();
    }
  });

  describe('is bounded to 1,000,000 bytes, and', () => {
    let bounded: Awaited<ReturnType<typeof startTestApp>>;
    const tooMuch = [{ extensions: { code: 'LIMIT_EXCEEDED', limit: 'KELPIE_MAX_READ_BYTES' } }];
    beforeAll(async () => {
      bounded = await startTestApp({ limits: { KELPIE_MAX_READ_BYTES: 1_000_000 } });
    });
    afterAll(() => bounded.close());

    test('what is read once and told again and again is refused, by one error and nothing else', async () => {
      const { viewer, secret } = await bounded.account();
      const { id } = await submit(bounded.core, viewer, { arguments: large.arguments });
      for (let time = 0; time < 3; time++) {
        await cancelJob(bounded.core, viewer, id);
        await retryJob(bounded.core, viewer, id);
      }
      const telling = (more: string) => `{ job(id: "${id}") { events(first: 3) { nodes { job { id } } } ${more} } }`;
      expect((await bounded.graphql(secret, telling('arguments'))).errors).toBeUndefined();
      const all = `{ job(id: "${id}") { events(first: 1000) { nodes { job { arguments } } } } }`;
      const answer = await bounded.graphql(secret, all);
      expect(answer).toMatchObject({ errors: tooMuch });
      expect(answer.errors?.length).toBe(1);
      expect(answer.data ?? null).toBeNull();
    });

    test('so is what grows by being asked for in each of its own elements, by the fields of those', async () => {
      const { viewer, secret } = await bounded.account();
      await submitJobs(bounded.core, viewer, Array(30).fill(spec()));
      const agentId = await registered(bounded, secret);
      for (let held = 0; held < 30; held++) await claimed(bounded, secret, agentId);
      const within = (fields: string) => `jobs { attempt { agent { ${fields} } } }`;
      const asked = (fields: string) => bounded.graphql(secret, `{ agents(first: 1) { nodes { ${fields} } } }`);
      const { errors, data } = await asked(within('jobs { numFailures }'));
      expect(errors).toBeUndefined();
      expect(JSON.stringify(data).split('numFailures').length - 1).toBe(900);
      const refused = await asked(within(within('jobs { numFailures }')));
      expect(refused).toMatchObject({ errors: tooMuch });
      expect(refused.errors?.length).toBe(1);
      expect(refused.data ?? null).toBeNull();
    });

    test('so is each step of a subscription, and the next one has as much again', async () => {
      const { viewer, secret } = await bounded.account();
      const { id } = await submit(bounded.core, viewer, { arguments: large.arguments });
      const steps = (names: string[]) => {
        const fields = names.map((name) => `${name}: arguments`).join(' ');
        return bounded
          .socket(secret)
          .iterate({ query: `subscription { jobUpdated(id: "${id}") { status ${fields} } }` });
      };
      const [few, many] = [steps(['a', 'b', 'c']), steps(['a', 'b', 'c', 'd', 'e'])];
      expect((await few.next()).value).toMatchObject({ data: { jobUpdated: { status: 'PENDING' } } });
      expect((await many.next()).value).toMatchObject({ errors: tooMuch });
      await cancelJob(bounded.core, viewer, id);
      // A state may be told twice.
      await until('the next state', async () => JSON.stringify((await few.next()).value).includes('"CANCELED"'));
      expect((await many.next()).value).toMatchObject({ errors: tooMuch });
    });

    test('what a step reads counts as well, whatever is shown of it', async () => {
      const { viewer, secret } = await bounded.account();
      const { id } = await submit(bounded.core, viewer);
      await cancelJob(bounded.core, viewer, id);
      await retryJob(bounded.core, viewer, id);
      // One more than is asked for is read: whether there is more.
      const data = `jsonb_build_object('x', repeat('x', 400000))`;
      await bounded.database.query(`update job_events set data = ${data} where job_id = $1`, [id]);
      const first = async (count: number) => {
        const query = `subscription { jobUpdated(id: "${id}") { events(first: ${count}) { nodes { seq } } } }`;
        return (await bounded.socket(secret).iterate({ query }).next()).value as unknown;
      };
      expect(await first(1)).toMatchObject({ data: { jobUpdated: { events: { nodes: [{ seq: 1 }] } } } });
      expect(await first(2)).toMatchObject({ errors: tooMuch });
    });

    test('attempts count as everything else does', async () => {
      const { viewer, secret } = await bounded.account();
      const leases = await claimMany(bounded.core, viewer, 12);
      await bounded.database.query(
        `update attempts set progress = jsonb_build_object('fraction', 0.5, 'message', repeat('x', 100000), 'at', now())
         where job_id = any($1)`,
        [leases.map(({ jobId }) => jobId)],
      );
      const some = (count: number) =>
        bounded.graphql(secret, `{ jobs(first: ${count}) { nodes { progress { fraction } } } }`);
      expect((await some(5)).errors).toBeUndefined();
      expect((await some(12)).errors?.[0]).toMatchObject(tooMuch[0] ?? {});
    });
  });
});
