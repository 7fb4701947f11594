import { randomUUID } from 'node:crypto';
import { createClient, type Client } from 'graphql-ws';
import { afterAll, afterEach, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { submitJobs } from '../../core/jobs/submit.ts';
import { startTestApp } from '../support/app.ts';
import { startBeside } from '../support/beside.ts';
import { spec } from '../support/core.ts';
import { claimed, mutate, registered } from '../support/graphql.ts';
import { claim, runOut } from '../support/jobs.ts';
import { startReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';

/** Three servers with all their loops on one database. */
const first = await startTestApp();
const others = [await startBeside(first), await startBeside(first)];
const receiver = await startReceiver();
const { viewer, secret: key } = await first.account();
const { database } = first;
const apps = [first, ...others.map(({ app }) => ({ ...first, ...app }))];
const cores = [first.core, ...others.map(({ core }) => core)];
afterEach(() => (receiver.received.length = 0));
afterAll(async () => {
  await Promise.all(others.map((other) => other.stop()));
  await first.close();
  await receiver.close();
});

const submitted = async (count: number, part: object = {}): Promise<string[]> =>
  (
    await submitJobs(
      first.core,
      viewer,
      Array.from({ length: count }, () => spec(part)),
    )
  ).map(({ id }) => id);
const statuses = async (ids: string[]) =>
  (await database.query<{ status: string }>('select status from jobs where id = any($1)', [ids])).map(
    (row) => row.status,
  );

test('all sweep at once, and each lease that ran out is rescued once', async () => {
  const ids = await submitted(150, { containerGroupId: 'sweep' });
  for (let job = 0; job < ids.length; job++) await claim(first.core, viewer, `machine ${job}`, 'sweep');
  await runOut(database);
  await until(
    'all jobs to wait again',
    async () => (await statuses(ids)).every((status) => status === 'PENDING'),
    25_000,
  );
  const ended = await database.query(
    `select job_id, count(*)::int as times from job_events where job_id = any($1) and type = 'ATTEMPT_ENDED' group by job_id`,
    [ids],
  );
  expect(ended).toHaveLength(150);
  expect(ended.every(({ times }) => times === 1)).toBe(true);
});

test('work goes over all of them: each job is done once, each webhook sent once, and all tell the same story', async () => {
  const stories = cores.map((core) => {
    const told: string[] = [];
    core.feed.listenSettled(({ jobId, seq }) => told.push(`${jobId} ${seq}`));
    return told;
  });
  const ids = await submitted(60, { containerGroupId: 'work', webhook: `${receiver.url}/hook` });
  await Promise.all(
    Array.from({ length: 9 }, async (_, n) => {
      const app = apps[n % 3]!;
      const agentId = await registered(app, key, `worker ${n}`, 'work');
      for (;;) {
        const answer = await mutate(app, key, 'claimJob', { agentId, claimId: randomUUID() });
        if (answer.__typename === 'NoWork') return;
        const { job, attempt } = answer as unknown as { job: { id: string }; attempt: { number: number } };
        // Whoever ends it need not be whoever gave it out.
        await mutate(apps[(n + 1) % 3]!, key, 'completeAttempt', { jobId: job.id, attempt: attempt.number });
      }
    }),
  );
  expect(new Set(await statuses(ids))).toEqual(new Set(['COMPLETED']));
  await until('all webhooks', () => receiver.received.length >= 120, 20_000);
  const table = await database.query<{ event: string }>(
    `select job_id || ' ' || seq as event from job_events where job_id = any($1) order by xid, id`,
    [ids],
  );
  const mine = new Set(ids);
  // What is left of the test before is told here as well.
  const ofMine = () => stories.map((told) => told.filter((event) => mine.has(event.split(' ')[0]!)));
  await until('all events at all servers', () => ofMine().every((told) => told.length >= table.length), 20_000);
  for (const told of ofMine()) expect(told).toEqual(table.map(({ event }) => event));
  const bodies = receiver.received.map(({ body }) => body);
  expect(bodies).toHaveLength(120);
  expect(new Set(bodies).size).toBe(120);
}, 60_000);

/** A socket to one of the servers, for as long as the test lasts. */
function socketTo(url: string): Client {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { 'X-Kelpie-Key': key },
  });
  onTestFinished(async () => client.dispose());
  return client;
}

/** Everything that a subscription tells, as it comes. */
function heard<Data>(client: Client, query: string, variables: Record<string, unknown>): Data[] {
  const all: Data[] = [];
  client.subscribe<Data>(
    { query, variables },
    {
      next: ({ data }) => {
        if (data != null) all.push(data);
      },
      error: () => undefined,
      complete: () => undefined,
    },
  );
  return all;
}

const signalsOf = (n: number, agentId: string) =>
  heard<{ agentSignals: { type: string; jobId: string | null } }>(
    socketTo(apps[n]!.url),
    'subscription ($agentId: ID!) { agentSignals(agentId: $agentId) { type jobId } }',
    { agentId },
  );

test('who follows an account, at whichever server, is told everything once and in one order', async () => {
  const query = `subscription { jobEvents(filter: { containerGroupId: "fan-out" }) {
    __typename ... on JobEvent { jobId seq type } } }`;
  const followers = apps.flatMap(({ url }) => [0, 1, 2, 3].map(() => ({ url })));
  const all = followers.map(({ url }) => heard<{ jobEvents: object }>(socketTo(url), query, {}));
  // A follower is told from when it is there on: a job of its own says that it is.
  const first = await submitted(1, { containerGroupId: 'fan-out' });
  await until('everybody to follow', async () => {
    if (all.every((events) => events.length > 0)) return true;
    first.push(...(await submitted(1, { containerGroupId: 'fan-out' })));
    return false;
  });
  const ids = await submitted(200, { containerGroupId: 'fan-out' });
  const last = ids.at(-1);
  await until('the last event everywhere', () =>
    all.every((events) => JSON.stringify(events.at(-1)).includes(String(last))),
  );
  const mine = new Set(ids);
  const stories = all.map((events) =>
    events.flatMap(({ jobEvents }) => {
      const { jobId, seq } = jobEvents as { jobId: string; seq: number };
      return mine.has(jobId) ? [`${jobId} ${seq}`] : [];
    }),
  );
  for (const story of stories) expect(story).toEqual(ids.map((id) => `${id} 1`));
});

test('an agent at one server is woken for a job of another, and told by a third that it was canceled', async () => {
  const agentId = await registered(apps[1]!, key, 'far', 'far');
  const signals = signalsOf(1, agentId);
  await until('the greeting', () => signals.length === 1);
  // Over its own server, which knows from that that it waits.
  expect(await mutate(apps[1]!, key, 'claimJob', { agentId })).toMatchObject({ __typename: 'NoWork' });
  const [id] = await submitted(1, { containerGroupId: 'far' });
  await until('the call', () => signals.length === 2);
  expect(signals[1]).toEqual({ agentSignals: { type: 'WORK_AVAILABLE', jobId: null } });
  expect((await claimed(apps[1]!, key, agentId)).jobId).toBe(id);
  expect(await mutate(apps[2]!, key, 'cancelJob', id)).toMatchObject({ status: 'CANCELED' });
  await until('the cancel', () => signals.length === 3);
  expect(signals[2]).toEqual({ agentSignals: { type: 'CANCEL', jobId: id } });
});
