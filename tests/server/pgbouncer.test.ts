import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { feedHead } from '../../core/events/page.ts';
import { cursorOf } from '../../core/events/position.ts';
import { openCore } from '../../core/open.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { startBeside, type Beside } from '../support/beside.ts';
import { MASTER_KEY } from '../support/core.ts';
import { createDatabase } from '../support/database.ts';
import { mutate, registered, submitted } from '../support/graphql.ts';
import { findPgBouncer, startPgBouncer, type PgBouncer } from '../support/pgbouncer.ts';
import { startReceiver, type Receiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';

const program = findPgBouncer();
if (program === undefined) process.stdout.write('pgbouncer is not installed: the tests behind it are skipped\n');

describe.skipIf(program === undefined)('behind PgBouncer in transaction mode', () => {
  let bouncer: PgBouncer;
  let app: TestApp;
  let other: Beside;
  let receiver: Receiver;
  let key: string;

  beforeAll(async () => {
    bouncer = await startPgBouncer(program!, inject('postgresUrl'));
    receiver = await startReceiver();
    // On an empty database: the migrations run as well.
    app = await startTestApp({ pooler: bouncer });
    ({ secret: key } = await app.account());
    other = await startBeside(app, bouncer);
  });
  afterAll(async () => {
    await other.stop();
    await app.close();
    await receiver.close();
    await bouncer.stop();
  });

  test('a job goes from one server to an agent of the other, and its webhooks and events are told', async () => {
    const agentId = await registered(app, key);
    const client = app.socket(key);
    const signals = client.iterate<{ agentSignals: { type: string } }>({
      query: 'subscription ($id: ID!) { agentSignals(agentId: $id) { type } }',
      variables: { id: agentId },
    });
    await signals.next();
    const heard: string[] = [];
    const followed = client.iterate<{ jobEvents: { type: string } }>({
      query: `subscription ($after: Cursor) {
        jobEvents(after: $after, filter: { containerGroupId: "group" }) { ... on JobEvent { type } } }`,
      variables: { after: cursorOf(await feedHead(app.core)) },
    });
    void (async () => {
      for await (const { data } of followed) heard.push(data?.jobEvents.type ?? 'nothing');
    })();
    // It asks, finds nothing, and waits; what wakes it is another server's announcement.
    expect(await claimOver(client, agentId)).toMatchObject({ __typename: 'NoWork' });
    const told = signals.next();
    const there = { ...app, ...other.app };
    const jobId = await submitted(there, key, { webhook: `${receiver.url}/hook` });
    expect(await told).toMatchObject({ value: { data: { agentSignals: { type: 'WORK_AVAILABLE' } } } });
    expect(await claimOver(client, agentId)).toMatchObject({ __typename: 'Claim', job: { id: jobId } });
    const lease = { jobId, attempt: 1 };
    expect(await mutate(there, key, 'heartbeat', { ...lease, phase: 'RUNNING' })).toHaveProperty('leaseMillis');
    expect(await mutate(app, key, 'completeAttempt', lease)).toMatchObject({ status: 'COMPLETED' });
    await until('both webhooks', () => receiver.received.length === 2);
    await until('the feed', () => heard.at(-1) === 'COMPLETED');
    expect(heard).toEqual(['SUBMITTED', 'CLAIMED', 'PHASE_CHANGED', 'ATTEMPT_ENDED', 'COMPLETED']);
    await followed.return?.(undefined);
    await signals.return?.(undefined);
  });

  test('hundreds of claims and heartbeats over three connections mix nobody’s work up', async () => {
    const jobs = Array.from({ length: 60 }, () => ({ command: 'true', containerGroupId: 'many' }));
    await mutate(app, key, 'submitJobs', jobs);
    const apps = [app, { ...app, ...other.app }];
    const claimed = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const at = apps[n % 2]!;
        const agentId = await registered(at, key, `machine ${n}`, 'many');
        const mine: string[] = [];
        for (let round = 0; round < 5; round++) {
          const claim = await mutate(at, key, 'claimJob', { agentId, claimId: randomUUID() });
          const { job, attempt } = claim as unknown as { job: { id: string }; attempt: { number: number } };
          mine.push(job.id);
          await mutate(at, key, 'completeAttempt', { jobId: job.id, attempt: attempt.number });
        }
        return mine;
      }),
    );
    expect(new Set(claimed.flat()).size).toBe(60);
  });

  test('a pooler whose connections have no limits is refused, in words that say what to set', async () => {
    const careless = await startPgBouncer(program!, inject('postgresUrl'), { connectQuery: '' });
    const database = await createDatabase();
    const opening = openCore({
      ...{ databaseUrl: careless.before(database.url), directUrl: database.url },
      ...{ masterKey: MASTER_KEY, onError: () => undefined },
    });
    await expect(opening).rejects.toThrow(/lock_timeout.*connect_query/s);
    await careless.stop();
    await database.drop();
  });
});

async function claimOver(client: ReturnType<TestApp['socket']>, agentId: string): Promise<unknown> {
  const answer = await client
    .iterate<{ claimJob: unknown }>({
      query: 'mutation ($input: ClaimJobInput!) { claimJob(input: $input) { __typename ... on Claim { job { id } } } }',
      variables: { input: { agentId, claimId: randomUUID() } },
    })
    .next();
  return (answer.value as { data?: { claimJob: unknown } } | undefined)?.data?.claimJob;
}
