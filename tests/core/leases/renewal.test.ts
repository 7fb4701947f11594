import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { jobTotals } from '../../../core/jobs/find.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import type { LeaseRef } from '../../../core/leases/terms.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, claimMany, runOut } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
afterAll(close);

/** What the heartbeats of these leases have left, and in how many transactions they were written. */
async function written(leases: readonly LeaseRef[]) {
  const rows = await database.query<{ xmin: string; num_heartbeats: number; bytes_uploaded: string; lag: number }>(
    `select xmin::text, num_heartbeats, bytes_uploaded, sync_lag_seconds as lag from attempts
     where job_id = any($1) order by array_position($1, job_id)`,
    [leases.map(({ jobId }) => jobId)],
  );
  return { rows, transactions: new Set(rows.map(({ xmin }) => xmin)).size };
}

test('heartbeats that come at once are written at once, each with what it says', async () => {
  const { viewer } = await account();
  const leases = await claimMany(core, viewer, 12);
  const verdicts = await Promise.all(
    leases.map((lease, n) => heartbeat(core, viewer, lease, { bytesUploaded: String(n), syncLagSeconds: n / 2 })),
  );
  expect(verdicts).toEqual(leases.map(() => ({ leaseMillis: 60_000, draining: false })));
  const { rows, transactions } = await written(leases);
  expect(rows.map(({ num_heartbeats, bytes_uploaded, lag }) => [num_heartbeats, bytes_uploaded, lag])).toEqual(
    leases.map((_, n) => [1, String(n), n / 2]),
  );
  // The first is alone, and the others wait for it.
  expect(transactions).toBe(2);
});

test('each has its own verdict: one that was cancelled, a stranger, one that is late, and one that is said twice', async () => {
  const { viewer } = await account();
  const stranger = (await account()).viewer;
  const [first, good, gone, late, twice, theirs] = (await claimMany(core, viewer, 6)) as [
    ...[LeaseRef, LeaseRef, LeaseRef, LeaseRef, LeaseRef, LeaseRef],
  ];
  await cancelJob(core, viewer, gone.jobId);
  await runOut(database, late.jobId);
  await rescueExpired(core);
  const verdicts = await Promise.allSettled([
    heartbeat(core, viewer, first),
    heartbeat(core, viewer, good),
    heartbeat(core, viewer, gone),
    heartbeat(core, viewer, late),
    heartbeat(core, viewer, twice),
    heartbeat(core, viewer, { ...twice, jobId: twice.jobId.toUpperCase() }),
    heartbeat(core, stranger, theirs),
    heartbeat(core, viewer, theirs),
    heartbeat(core, stranger, theirs),
    heartbeat(core, viewer, { ...good, attempt: 2 }),
  ]);
  expect(verdicts.map((verdict) => (verdict.status === 'rejected' ? messageIn(verdict) : 'renewed'))).toEqual([
    ...['renewed', 'renewed'],
    expect.stringContaining('has ended (CANCELED)'),
    ...['renewed', 'renewed', 'renewed'],
    expect.stringContaining(`There is no job ${theirs.jobId} in this account`),
    'renewed',
    expect.stringContaining(`There is no job ${theirs.jobId} in this account`),
    expect.stringContaining('was followed by attempt 1'),
  ]);
  const { rows } = await written([first, good, gone, late, twice, theirs]);
  expect(rows.map(({ num_heartbeats }) => num_heartbeats)).toEqual([1, 1, 0, 1, 2, 1]);
});

test('who holds one attempt holds up its heartbeat alone', async () => {
  const { viewer } = await account();
  const [first, blocked, ...free] = (await claimMany(core, viewer, 6)) as [LeaseRef, LeaseRef, ...LeaseRef[]];
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  await holder.query('begin');
  await holder.query('select from attempts where job_id = $1 for update', [blocked.jobId]);
  const said: string[] = [];
  const beat = async (lease: LeaseRef, name: string) => {
    await heartbeat(core, viewer, lease);
    said.push(name);
  };
  // Alone, so that all others are in one round.
  const others = [beat(first, 'first')];
  const waiting = beat(blocked, 'blocked');
  others.push(...free.map((lease) => beat(lease, 'free')));
  await Promise.all(others);
  expect(said.toSorted()).toEqual(['first', ...free.map(() => 'free')].toSorted());
  await holder.query('commit');
  await holder.end();
  // On a machine that stood still for seconds it was told to ask again.
  await waiting.catch(() => beat(blocked, 'blocked'));
  const { rows, transactions } = await written([first, blocked, ...free]);
  expect(rows.map(({ num_heartbeats }) => num_heartbeats)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(transactions).toBe(3);
});

function messageIn({ reason }: PromiseRejectedResult): string {
  return (reason as Error).message;
}

test('one that was counted as often as a number goes is renewed, and so are those of others in its round', async () => {
  const [mine, theirs] = [(await account()).viewer, (await account()).viewer];
  const [first, most, resumed] = (await claimMany(core, mine, 3)) as [LeaseRef, LeaseRef, LeaseRef];
  const [other] = (await claimMany(core, theirs, 1)) as [LeaseRef];
  await database.query('update attempts set num_heartbeats = 2147483647 where job_id = any($1)', [
    [most.jobId, resumed.jobId],
  ]);
  await runOut(database, resumed.jobId);
  await rescueExpired(core);
  const verdicts = await Promise.all([
    heartbeat(core, mine, first),
    heartbeat(core, mine, most),
    heartbeat(core, theirs, other),
    heartbeat(core, mine, resumed),
  ]);
  expect(verdicts).toEqual(Array(4).fill({ leaseMillis: 60_000, draining: false }));
  // A further attempt is counted with the one before.
  await runOut(database, resumed.jobId);
  await rescueExpired(core);
  const { lease } = await claim(core, mine);
  await heartbeat(core, mine, lease);
  const totals = await jobTotals(core, [lease.jobId]);
  expect(totals.get(resumed.jobId)).toMatchObject({ numHeartbeats: 2_147_483_647 });
});
