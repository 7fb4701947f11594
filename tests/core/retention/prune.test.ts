import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { feedHead, readEvents } from '../../../core/events/page.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { createPruner, type KeepDays } from '../../../core/retention/prune.ts';
import type { Job } from '../../../db/entities/job.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim, endings, submit } from '../../support/jobs.ts';
import { append } from '../../support/logs.ts';
import { allToBeSettled } from '../../support/settled.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
beforeEach(async () => {
  await database.query('delete from jobs');
  await database.query('delete from job_events');
});

const FOR_EVER: KeepDays = { jobs: 0, events: 0, logs: 0, deliveries: 0 };
const NOTHING = { jobs: 0, events: 0, logs: 0, deliveries: 0, answers: 0 };
const prune = (keep: Partial<KeepDays>) => createPruner(core, { ...FOR_EVER, ...keep }).runOnce();

/** Makes everything about a job that has happened so far so many days older. */
async function age(jobId: string, days: number): Promise<void> {
  for (const [table, id, columns] of [
    ['jobs', 'id', ['created_at', 'started_at', 'completed_at', 'failed_at', 'canceled_at']],
    ['attempts', 'job_id', ['started_at', 'ended_at']],
    ['job_events', 'job_id', ['at']],
    ['webhook_deliveries', 'job_id', ['created_at', 'delivered_at', 'abandoned_at']],
  ] as const) {
    const changes = columns.map((column) => `${column} = ${column} - make_interval(days => $2)`);
    await database.query(`update ${table} set ${changes.join(', ')} where ${id} = $1`, [jobId, days]);
  }
}

/** How many rows each table has of a job. */
async function left(jobId: string): Promise<Record<string, number>> {
  const [row] = await database.query<Record<string, number>>(
    `select (select count(*)::int from jobs where id = $1) as jobs,
            (select count(*)::int from attempts where job_id = $1) as attempts,
            (select count(*)::int from bans where job_id = $1) as bans,
            (select count(*)::int from job_events where job_id = $1) as events,
            (select count(*)::int from job_logs where job_id = $1) as logs,
            (select count(*)::int from webhook_deliveries where job_id = $1) as deliveries,
            (select count(*)::int from webhook_tries t join webhook_deliveries d on d.id = t.delivery_id where d.job_id = $1) as tries`,
    [jobId],
  );
  return row!;
}
const GONE = { jobs: 0, attempts: 0, bans: 0, events: 0, logs: 0, deliveries: 0, tries: 0 };
/** What `failedJob` leaves. */
const WHOLE = { jobs: 1, attempts: 1, bans: 1, events: 4, logs: 1, deliveries: 2, tries: 2 };

/** A job that has failed, with something in every table, and whose webhooks were delivered. */
async function failedJob(viewer: Viewer, part: object = {}): Promise<Job> {
  const job = await submit(core, viewer, { maxFailures: 1, webhook: 'http://127.0.0.1:9/', ...part });
  const { lease } = await claim(core, viewer, `machine of ${job.id}`);
  await append(core, viewer, lease, 0, 'a line');
  await finishAttempt(core, viewer, lease, endings.failed);
  await database.query(
    `with told as (update webhook_deliveries set tries = 1, delivered_at = now() where job_id = $1 returning id)
     insert into webhook_tries (delivery_id, number, milliseconds, status_code) select id, 1, 5, 200 from told`,
    [job.id],
  );
  await allToBeSettled(database);
  expect(await left(job.id)).toEqual(WHOLE);
  return job;
}

describe('what is too old is removed', () => {
  test('a job that has ended goes with all that is its own, and nothing younger does', async () => {
    const { viewer } = await account();
    const [old, young] = [await failedJob(viewer), await failedJob(viewer)];
    await age(old.id, 91);
    await age(young.id, 89);
    expect(await prune({ jobs: 90 })).toEqual({ ...NOTHING, jobs: 1, events: 4, logs: 1 });
    expect(await left(old.id)).toEqual(GONE);
    expect(await left(young.id)).toEqual(WHOLE);
  });

  test('events, logs and webhooks go at their own ages, before their job', async () => {
    const { viewer } = await account();
    const job = await failedJob(viewer);
    await age(job.id, 31);
    expect(await prune({ jobs: 90, events: 32, logs: 32, deliveries: 32 })).toEqual(NOTHING);
    expect(await prune({ events: 30 })).toEqual({ ...NOTHING, events: 4 });
    expect(await prune({ logs: 30 })).toEqual({ ...NOTHING, logs: 1 });
    expect(await prune({ deliveries: 30 })).toEqual({ ...NOTHING, deliveries: 2 });
    expect(await left(job.id)).toEqual({ ...GONE, jobs: 1, attempts: 1, bans: 1 });
  });

  test('for ever means for ever', async () => {
    const { viewer } = await account();
    const job = await failedJob(viewer);
    await age(job.id, 30_000);
    expect(await prune({})).toEqual(NOTHING);
    expect(await left(job.id)).toEqual(WHOLE);
    expect((await prune({ jobs: 90 })).jobs).toBe(1);
  });

  test('a job that is pending or running keeps its history and its logs, however old they are', async () => {
    const { viewer } = await account();
    const pending = await submit(core, viewer, { containerGroupId: 'waits' });
    const running = await submit(core, viewer);
    await append(core, viewer, (await claim(core, viewer)).lease, 0, 'a line');
    const retried = await failedJob(viewer);
    await retryJob(core, viewer, retried.id);
    for (const { id } of [pending, running, retried]) await age(id, 400);
    await allToBeSettled(database);
    expect(await prune({ jobs: 1, events: 1, logs: 1 })).toEqual(NOTHING);
    expect(await left(pending.id)).toMatchObject({ jobs: 1, events: 1 });
    expect(await left(running.id)).toMatchObject({ jobs: 1, attempts: 1, events: 2, logs: 1 });
    expect(await left(retried.id)).toEqual({ ...WHOLE, events: 5 });
  });

  test('a job whose history was removed can be retried, and is numbered on', async () => {
    const { viewer } = await account();
    const job = await failedJob(viewer);
    await age(job.id, 31);
    expect((await prune({ events: 30 })).events).toBe(4);
    await retryJob(core, viewer, job.id);
    await cancelJob(core, viewer, job.id);
    const rows = await database.query('select seq, type from job_events where job_id = $1 order by seq', [job.id]);
    expect(rows).toEqual([
      { seq: 5, type: 'RETRIED' },
      { seq: 6, type: 'CANCELED' },
    ]);
  });

  test('a history goes whole or not at all: one new event keeps it', async () => {
    const { viewer } = await account();
    const job = await failedJob(viewer);
    await age(job.id, 91);
    await database.query('update job_events set at = now() where job_id = $1 and seq = 4', [job.id]);
    expect(await prune({ jobs: 90, events: 30 })).toEqual({ ...NOTHING, logs: 1 });
    expect(await left(job.id)).toEqual({ ...WHOLE, logs: 0 });
    await age(job.id, 91);
    expect(await prune({ jobs: 90, events: 30 })).toMatchObject({ jobs: 1, events: 4 });
  });

  test('events of a job that was removed go with the last of them', async () => {
    const { viewer } = await account();
    const job = await failedJob(viewer);
    await database.query(
      `with gone as (delete from jobs where id = $1 returning *)
       insert into job_events (job_id, seq, account_id, container_group_id, type, data)
       select id, event_seq + 1, account_id, container_group_id, 'PURGED', '{}' from gone`,
      [job.id],
    );
    await allToBeSettled(database);
    await age(job.id, 29);
    expect(await prune({ events: 30 })).toEqual(NOTHING);
    await age(job.id, 2);
    expect(await prune({ events: 30 })).toEqual({ ...NOTHING, events: 5 });
  });

  test('a job stays while a webhook of it is still to be sent', async () => {
    const { viewer } = await account();
    const job = await failedJob(viewer);
    await age(job.id, 91);
    await database.query(
      `update webhook_deliveries set delivered_at = null where job_id = $1 and status = 'failed' and delivered_at is not null`,
      [job.id],
    );
    expect((await prune({ jobs: 90, deliveries: 30 })).jobs).toBe(0);
    expect(await left(job.id)).toMatchObject({ jobs: 1, deliveries: 1 });
    await database.query('update webhook_deliveries set abandoned_at = now() where job_id = $1', [job.id]);
    expect((await prune({ jobs: 90 })).jobs).toBe(1);
  });

  test('the idempotency key of a job that was removed is free again', async () => {
    const { viewer } = await account();
    const job = await failedJob(viewer, { idempotencyKey: 'once' });
    await age(job.id, 91);
    await prune({ jobs: 90 });
    const again = await submit(core, viewer, { idempotencyKey: 'once', command: 'another' });
    expect(again.id).not.toBe(job.id);
  });
});

/** Jobs that were canceled so long ago, with two events each. */
async function endedJobs(viewer: Viewer, count: number, days: number): Promise<Job[]> {
  const jobs = await submitJobs(
    core,
    viewer,
    Array.from({ length: count }, () => spec({ containerGroupId: 'ended' })),
  );
  await database.query(
    `with ended as (
       update jobs set status = 'CANCELED', canceled_at = now() - make_interval(days => $2), event_seq = 2
       where id = any ($1) returning id, account_id, container_group_id
     )
     insert into job_events (job_id, seq, account_id, container_group_id, type, data)
     select id, 2, account_id, container_group_id, 'CANCELED', '{}' from ended`,
    [jobs.map(({ id }) => id), days],
  );
  await database.query('update job_events set at = at - make_interval(days => $2) where job_id = any ($1)', [
    jobs.map(({ id }) => id),
    days,
  ]);
  await allToBeSettled(database);
  return jobs;
}

describe('the feed', () => {
  test('tells of a gap below what was removed, and begins behind it, though events of jobs that live are left there', async () => {
    const { viewer } = await account();
    const start = await feedHead(core);
    const lives = await submit(core, viewer, { containerGroupId: 'waits' });
    const [old] = await endedJobs(viewer, 1, 31);
    const later = await submit(core, viewer, { containerGroupId: 'waits' });
    await allToBeSettled(database);
    const all = await readEvents(core, viewer, start, 100);
    expect(all.events.map(({ jobId }) => jobId)).toEqual([lives.id, old!.id, old!.id, later.id]);
    expect(all.gap).toBeUndefined();

    expect(await prune({ events: 30 })).toEqual({ ...NOTHING, events: 2 });
    expect((await left(lives.id)).events).toBe(1);
    const late = await readEvents(core, viewer, start, 100);
    const { xid, id } = all.events[2]!;
    expect(late.gap).toEqual({ xid, id });
    expect(late.events.map(({ jobId }) => jobId)).toEqual([later.id]);
    const inTime = await readEvents(core, viewer, { xid, id }, 100);
    expect(inTime.gap).toBeUndefined();
    expect(inTime.events.map(({ jobId }) => jobId)).toEqual([later.id]);
  });

  test('loses nothing that is not settled: an open transaction holds it up', async () => {
    const { viewer } = await account();
    const { promise: held, resolve: letGo } = Promise.withResolvers<undefined>();
    const began = Promise.withResolvers<undefined>();
    const open = core.em.fork().transactional(async (em) => {
      await em.execute('select pg_current_xact_id()');
      began.resolve(undefined);
      await held;
    });
    await began.promise;
    const job = await submit(core, viewer);
    await cancelJob(core, viewer, job.id);
    await age(job.id, 91);
    expect(await prune({ jobs: 90, events: 30 })).toEqual(NOTHING);
    expect(await left(job.id)).toMatchObject({ jobs: 1, events: 2 });
    letGo(undefined);
    await open;
    await allToBeSettled(database);
    expect(await prune({ jobs: 90, events: 30 })).toEqual({ ...NOTHING, jobs: 1, events: 2 });
  });

  test('its horizon never goes back', async () => {
    const { viewer } = await account();
    const first = await endedJobs(viewer, 1, 31);
    await endedJobs(viewer, 1, 40);
    const horizon = async () => (await database.query('select xid::text, event_id::text from event_horizon'))[0];
    expect((await prune({ events: 35 })).events).toBe(2);
    const before = await horizon();
    expect((await prune({ events: 30 })).events).toBe(2);
    expect((await left(first[0]!.id)).events).toBe(0);
    expect(await horizon()).toEqual(before);
  });
});

describe('while it goes on', () => {
  test('two servers remove everything once between them', async () => {
    const { viewer } = await account();
    await endedJobs(viewer, 1_000, 91);
    const pruners = [createPruner(core, { ...FOR_EVER, jobs: 90 }), createPruner(core, { ...FOR_EVER, jobs: 90 })];
    const total = { ...NOTHING };
    // Whoever has the turn removes a batch at least, and there are a dozen; what was passed over would not be looked at again for a day.
    for (let turns = 0; total.jobs < 1_000 && turns < 100; turns++) {
      for (const { jobs, events } of await Promise.all(pruners.map((pruner) => pruner.runOnce()))) {
        total.jobs += jobs;
        total.events += events;
      }
    }
    expect(total).toEqual({ ...NOTHING, jobs: 1_000, events: 2_000 });
  });

  test('a server whose turn it is not leaves it alone', async () => {
    const { viewer } = await account();
    await endedJobs(viewer, 1, 91);
    await core.em.fork().transactional(async (em) => {
      await em.execute('select pg_advisory_xact_lock(30, 0)');
      expect(await prune({ jobs: 90 })).toEqual(NOTHING);
    });
    expect((await prune({ jobs: 90 })).jobs).toBe(1);
  });

  test('a job that somebody holds is passed over, not waited for', async () => {
    const { viewer } = await account();
    const [held, other] = await endedJobs(viewer, 2, 91);
    await core.em.fork().transactional(async (em) => {
      await em.execute('select from jobs where id = ? for update', [held!.id]);
      expect((await prune({ jobs: 90 })).jobs).toBe(1);
    });
    expect((await left(other!.id)).jobs).toBe(0);
    await retryJob(core, viewer, held!.id);
    expect((await prune({ jobs: 90 })).jobs).toBe(0);
    expect((await left(held!.id)).jobs).toBe(1);
  });

  test('it ends when it is stopped, with what it has begun', async () => {
    const { viewer } = await account();
    await endedJobs(viewer, 1_000, 91);
    const pruner = createPruner(core, { ...FOR_EVER, jobs: 90 });
    const running = pruner.runOnce();
    pruner.stop();
    const { events } = await running;
    expect(events).toBeLessThanOrEqual(1_000);
    expect(await pruner.runOnce()).toEqual(NOTHING);
    const [rows] = await database.query<{ count: number }>('select count(*)::int as count from job_events');
    expect(rows?.count).toBe(2_000 - events);
  });

  test('machines go on claiming', async () => {
    const { viewer } = await account();
    await endedJobs(viewer, 1_000, 91);
    await submitJobs(
      core,
      viewer,
      Array.from({ length: 100 }, () => spec()),
    );
    const pruner = createPruner(core, { ...FOR_EVER, jobs: 90 });
    const run = { isOver: false };
    const running = pruner.runOnce().finally(() => (run.isOver = true));
    let during = 0;
    for (let index = 0; index < 100; index++) {
      await claim(core, viewer, `claimer ${index}`);
      if (!run.isOver) during += 1;
    }
    expect((await running).jobs).toBe(1_000);
    expect(during).toBeGreaterThan(0);
  });
});
