import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authenticate, type Viewer } from '../../../core/accounts/keys.ts';
import { cancelJobs } from '../../../core/jobs/cancel.ts';
import { findJob, listJobs } from '../../../core/jobs/find.ts';
import { clearJobs, purgeJobs } from '../../../core/jobs/purge.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { ADMIN_KEY, openTestCore, spec, type TestCore } from '../../support/core.ts';
import { allRows, claim, endings, eventTypes, outcomes, rowOf, submit, tryClaim } from '../../support/jobs.ts';

let fixture: TestCore;
let viewer: Viewer;
beforeAll(async () => {
  fixture = await openTestCore();
});
afterAll(() => fixture.close());

async function fresh() {
  ({ viewer } = await fixture.account());
  return { core: fixture.core, database: fixture.database };
}

async function admin(): Promise<Viewer> {
  const found = await authenticate(fixture.core, ADMIN_KEY);
  if (found === undefined) throw new Error('The admin has no key');
  return found;
}

describe('purging a queue', () => {
  test('removes what is pending, cancels what runs, and leaves what has ended', async () => {
    const { core, database } = await fresh();
    const done = await submit(core, viewer);
    await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.completed);
    const running = await submit(core, viewer, { webhook: 'http://127.0.0.1:9/' });
    const { lease } = await claim(core, viewer);
    const pending = await submit(core, viewer);
    const elsewhere = await submit(core, viewer, { containerGroupId: 'elsewhere' });
    expect(await purgeJobs(core, viewer, 'group')).toEqual({ removed: 1, canceled: 1 });
    expect(await outcomes([findJob(core, viewer, pending.id)])).toEqual(['NOT_FOUND']);
    expect(await eventTypes(database, pending.id)).toEqual(['SUBMITTED', 'PURGED']);
    expect(await rowOf(database, running.id)).toMatchObject({ status: 'CANCELED' });
    expect(await eventTypes(database, running.id)).toEqual(['SUBMITTED', 'CLAIMED', 'ATTEMPT_ENDED', 'CANCELED']);
    expect(await outcomes([heartbeat(core, viewer, lease)])).toEqual(['LEASE_LOST']);
    expect((await findJob(core, viewer, done.id)).status).toBe('COMPLETED');
    expect((await findJob(core, viewer, elsewhere.id)).status).toBe('PENDING');
    // Only the claim was told: no webhook says that somebody purged.
    expect((await allRows(database)).webhook_deliveries).toMatchObject([{ status: 'running', job_id: running.id }]);
  });

  test('goes on over any number of jobs, in more than one transaction', async () => {
    const { core, database } = await fresh();
    for (let batch = 0; batch < 2; batch++) await submitJobs(core, viewer, Array(700).fill(spec()));
    expect(await purgeJobs(core, viewer, 'group')).toEqual({ removed: 1_400, canceled: 0 });
    const [left] = await database.query('select count(*)::int as left from jobs where account_id = $1', [
      viewer.accountId,
    ]);
    expect(left).toEqual({ left: 0 });
  });

  test('misses no job that is claimed or given back meanwhile', async () => {
    const { core, database } = await fresh();
    await submitJobs(core, viewer, Array(300).fill(spec()));
    let isPurging = true;
    const churn = async (machine: string) => {
      while (isPurging) {
        const job = await tryClaim(core, viewer, machine);
        if (job === undefined) return;
        const lease = { jobId: job.id, attempt: job.attemptNumber };
        await finishAttempt(core, viewer, lease, endings.released).catch(() => undefined);
      }
    };
    const machines = Array.from({ length: 6 }, (_, index) => churn(`m${index}`));
    const { removed, canceled } = await purgeJobs(core, viewer, 'group');
    isPurging = false;
    await Promise.all(machines);
    expect(removed + canceled).toBe(300);
    const rows = await database.query('select distinct status from jobs where account_id = $1', [viewer.accountId]);
    expect(rows.filter(({ status }) => status !== 'CANCELED')).toEqual([]);
  });

  test('touches nothing of another account', async () => {
    const { core } = await fresh();
    const mine = await submit(core, viewer);
    const stranger = (await fixture.account()).viewer;
    expect(await purgeJobs(core, stranger, 'group')).toEqual({ removed: 0, canceled: 0 });
    expect((await findJob(core, viewer, mine.id)).status).toBe('PENDING');
  });
});

describe('cancelling by a filter', () => {
  test('cancels exactly what the filter names', async () => {
    const { core } = await fresh();
    const gpu = await submit(core, viewer, { labels: { kind: 'gpu', run: '1' } });
    const cpu = await submit(core, viewer, { labels: { kind: 'cpu' } });
    const other = await submit(core, viewer, { labels: { kind: 'gpu' }, containerGroupId: 'other' });
    expect(await cancelJobs(core, viewer, { labels: { kind: 'gpu' }, containerGroupId: 'group' })).toBe(1);
    const states = await Promise.all([gpu, cpu, other].map(async ({ id }) => (await findJob(core, viewer, id)).status));
    expect(states).toEqual(['CANCELED', 'PENDING', 'PENDING']);
    expect(await cancelJobs(core, viewer, { status: ['COMPLETED', 'FAILED'] })).toBe(0);
    expect(await cancelJobs(core, viewer, { ids: [] })).toBe(0);
    expect(await cancelJobs(core, viewer, { ids: ['no id'] })).toBe(0);
    expect(await cancelJobs(core, viewer, { ids: [other.id, gpu.id] })).toBe(1);
    expect(await cancelJobs(core, viewer, { status: ['PENDING'] })).toBe(1);
  });

  test('cancels what a search finds, and nothing else', async () => {
    const { core } = await fresh();
    const wanted = await submit(core, viewer, { command: 'python', arguments: ['fold.py', '100%'] });
    const other = await submit(core, viewer, { command: 'python', arguments: ['fold.py', '100'] });
    const filter = { search: ['PYTHON', '100%'] };
    const { jobs } = await listJobs(core, viewer, filter, { limit: 5, ascending: true });
    expect(jobs.map(({ id }) => id)).toEqual([wanted.id]);
    expect(await cancelJobs(core, viewer, filter)).toBe(1);
    expect((await findJob(core, viewer, other.id)).status).toBe('PENDING');
  });

  test('ends each attempt once, with its events in order', async () => {
    const { core, database } = await fresh();
    await submitJobs(core, viewer, Array(3).fill(spec()));
    const claimed = await Promise.all(['a', 'b', 'c'].map((machine) => claim(core, viewer, machine)));
    expect(await Promise.all([cancelJobs(core, viewer, {}), cancelJobs(core, viewer, {})])).toEqual(
      expect.arrayContaining([3, 0]),
    );
    for (const { id } of claimed) {
      expect(await eventTypes(database, id)).toEqual(['SUBMITTED', 'CLAIMED', 'ATTEMPT_ENDED', 'CANCELED']);
      expect(await rowOf(database, id)).toMatchObject({ event_seq: 4, status: 'CANCELED' });
    }
  });
});

test('clearing removes every account’s jobs, tells it, and is the admin’s', async () => {
  const { core, database } = await fresh();
  const ids = [(await submit(core, viewer)).id, (await submit(core, (await fixture.account()).viewer)).id];
  const { lease } = await claim(core, viewer);
  expect(await outcomes([clearJobs(core, viewer)])).toEqual(['FORBIDDEN']);
  expect(await clearJobs(core, await admin())).toBeGreaterThanOrEqual(2);
  const { jobs, attempts } = await allRows(database);
  expect([jobs, attempts]).toEqual([[], []]);
  // The agent of what ran is told by the event of the cancel.
  expect(await eventTypes(database, ids[0]!)).toEqual(['SUBMITTED', 'CLAIMED', 'ATTEMPT_ENDED', 'CANCELED', 'PURGED']);
  expect(await eventTypes(database, ids[1]!)).toEqual(['SUBMITTED', 'PURGED']);
  expect(await outcomes([heartbeat(core, viewer, lease)])).toEqual(['LEASE_LOST']);
});
