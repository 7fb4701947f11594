import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, expect, test } from 'vitest';
import { submitJobs } from '../../core/jobs/submit.ts';
import { startTestApp } from '../support/app.ts';
import { startBeside } from '../support/beside.ts';
import { spec } from '../support/core.ts';
import { mutate, registered } from '../support/graphql.ts';
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
  await until('all events at all servers', () => stories.every((told) => told.length >= table.length), 20_000);
  const mine = new Set(ids);
  for (const told of stories) {
    expect(told.filter((event) => mine.has(event.split(' ')[0]!))).toEqual(table.map(({ event }) => event));
  }
  const bodies = receiver.received.map(({ body }) => body);
  expect(bodies).toHaveLength(120);
  expect(new Set(bodies).size).toBe(120);
}, 60_000);
