import { afterAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { disagreements } from '../../support/history.ts';
import { claim, endings, eventTypes, outcomes, rowOf, runOut, submit, tryClaim } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
afterAll(close);

/** A job whose lease ran out, and was found by a sweep. */
async function lost(part: object = {}) {
  const { viewer } = await account();
  await submit(core, viewer, part);
  const job = await claim(core, viewer, 'machine');
  await runOut(database, job.id);
  await rescueExpired(core);
  expect(await rowOf(database, job.id)).toMatchObject({ status: 'PENDING', num_interruptions: 1 });
  return { viewer, lease: job.lease, id: job.id };
}

describe('Rule 3: late is not lost', () => {
  test('a heartbeat before the sweep keeps the lease', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { lease } = await claim(core, viewer);
    await runOut(database, lease.jobId);
    expect((await heartbeat(core, viewer, lease)).leaseMillis).toBe(60_000);
    await rescueExpired(core);
    expect(await rowOf(database, lease.jobId)).toMatchObject({ status: 'RUNNING', num_interruptions: 0 });
  });

  test('a heartbeat after the sweep gets the lease back, and takes the interruption back', async () => {
    const { viewer, lease, id } = await lost();
    expect((await heartbeat(core, viewer, lease, { phase: 'RUNNING' })).leaseMillis).toBe(60_000);
    expect(await rowOf(database, id)).toMatchObject({ status: 'RUNNING', num_interruptions: 0, machine_id: 'machine' });
    expect(await tryClaim(core, viewer, 'another')).toBeUndefined();
    expect(await eventTypes(database, id)).toEqual([
      'SUBMITTED',
      'CLAIMED',
      'ATTEMPT_ENDED',
      'ATTEMPT_RESUMED',
      'PHASE_CHANGED',
    ]);
    expect(await disagreements(database)).toEqual([]);
  });

  test.each(Object.entries(endings))('a late report of %s counts as if it had been in time', async (_name, ending) => {
    const { viewer, lease, id } = await lost();
    await finishAttempt(core, viewer, lease, ending);
    expect(await rowOf(database, id)).toMatchObject({
      status: ending.outcome === 'COMPLETED' ? 'COMPLETED' : 'PENDING',
      num_interruptions: ending.outcome === 'RELEASED' ? 1 : 0,
      num_failures: ending.outcome === 'FAILED' || ending.outcome === 'TIMED_OUT' ? 1 : 0,
      num_sync_failures: ending.outcome === 'SYNC_FAILED' ? 1 : 0,
    });
    const [attempt] = await database.query('select outcome, ended_by from attempts where job_id = $1', [id]);
    expect(attempt).toEqual({ outcome: ending.outcome, ended_by: 'AGENT' });
    expect(await disagreements(database)).toEqual([]);
  });

  test('a late failure bans its machine', async () => {
    const { viewer, lease } = await lost();
    await finishAttempt(core, viewer, lease, endings.failed);
    expect(await tryClaim(core, viewer, 'machine')).toBeUndefined();
    expect(await tryClaim(core, viewer, 'another')).toBeDefined();
  });

  test('but not after somebody else has claimed', async () => {
    const { viewer, lease } = await lost();
    await claim(core, viewer, 'another');
    const late = [heartbeat(core, viewer, lease), finishAttempt(core, viewer, lease, endings.completed)];
    expect(await outcomes(late)).toEqual(['LEASE_LOST', 'LEASE_LOST']);
  });

  test('and not after a cancel and a retry', async () => {
    const { viewer, lease, id } = await lost();
    await cancelJob(core, viewer, id);
    await retryJob(core, viewer, id);
    const late = [heartbeat(core, viewer, lease), finishAttempt(core, viewer, lease, endings.completed)];
    expect(await outcomes(late)).toEqual(['LEASE_LOST', 'LEASE_LOST']);
  });

  test('of a late heartbeat and a claim at once exactly one gets the job', async () => {
    const { viewer } = await account();
    await submitJobs(
      core,
      viewer,
      Array.from({ length: 30 }, () => spec()),
    );
    const leases = [];
    for (let index = 0; index < 30; index++) leases.push((await claim(core, viewer)).lease);
    await runOut(database);
    await rescueExpired(core);
    const [late, claims] = await Promise.all([
      outcomes(leases.map((lease) => heartbeat(core, viewer, lease))),
      Promise.all(leases.map(() => tryClaim(core, viewer, 'another'))),
    ]);
    const back = late.filter((outcome) => outcome === 'done').length;
    const taken = claims.filter((job) => job !== undefined).length;
    // A claim that passed over a row in the making may have got nothing, so there may be jobs left: never one for both.
    const [left] = await database.query(
      `select count(*)::int as count from jobs where account_id = $1 and status = 'PENDING'`,
      [viewer.accountId],
    );
    expect(back + taken + Number(left?.count)).toBe(30);
    expect(await disagreements(database)).toEqual([]);
  });
});

describe('Rule 7: the server finds expired leases', () => {
  test.each([2, 10])('%i sweepers at once count each lease once', async (sweepers) => {
    const { viewer } = await account();
    await database.query('delete from jobs');
    await submitJobs(
      core,
      viewer,
      Array.from({ length: 220 }, () => spec()),
    );
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        for (let index = 0; index < 22; index++) await claim(core, viewer);
      }),
    );
    await runOut(database);
    const swept = await Promise.all(Array.from({ length: sweepers }, () => rescueExpired(core)));
    expect(swept.reduce((sum, { expired }) => sum + expired, 0)).toBe(220);
    const rows = await database.query('select distinct status, num_interruptions from jobs where account_id = $1', [
      viewer.accountId,
    ]);
    expect(rows).toEqual([{ status: 'PENDING', num_interruptions: 1 }]);
    expect(await disagreements(database)).toEqual([]);
  });

  test('a sweep leaves leases alone that have not run out', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { id } = await claim(core, viewer);
    expect(await rescueExpired(core)).toEqual({ expired: 0 });
    expect(await rowOf(database, id)).toMatchObject({ status: 'RUNNING' });
  });

  test('the lost attempt tells who ended it, when and why, and the job waits for any machine', async () => {
    const { viewer, id } = await lost();
    const [attempt] = await database.query('select * from attempts where job_id = $1', [id]);
    expect(attempt).toMatchObject({ outcome: 'LOST', ended_by: 'SERVER', ended_at: expect.any(Date) as unknown });
    expect(attempt?.reason).toContain('machine');
    expect(await tryClaim(core, viewer, 'machine')).toMatchObject({ attemptNumber: 2 });
  });
});

describe('Rule 13: the database’s clock judges', () => {
  test('a lease is renewed to twice the interval from now, by the database', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { heartbeatInterval: 40 });
    const { lease } = await claim(core, viewer);
    await runOut(database, lease.jobId);
    expect((await heartbeat(core, viewer, lease)).leaseMillis).toBe(80_000);
    const [row] = await database.query(
      `select round(extract(epoch from lease_expires_at - clock_timestamp()), 2)::float8 as left,
              lease_expires_at - heartbeat_at = interval '80 seconds' as twice, num_heartbeats
       from attempts where job_id = $1`,
      [lease.jobId],
    );
    expect(row?.left).toBeGreaterThan(75);
    expect(row?.left).toBeLessThanOrEqual(80);
    expect(row).toMatchObject({ twice: true, num_heartbeats: 1 });
  });

  test('bytes only grow, whatever order reports come in', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { lease } = await claim(core, viewer);
    await heartbeat(core, viewer, lease, { bytesDownloaded: '9000000000', bytesUploaded: '5' });
    await heartbeat(core, viewer, lease, { bytesDownloaded: '1', bytesUploaded: '6' });
    await finishAttempt(core, viewer, lease, { ...endings.completed, bytesUploaded: '7' });
    const [row] = await database.query('select bytes_downloaded, bytes_uploaded from attempts where job_id = $1', [
      lease.jobId,
    ]);
    expect(row).toEqual({ bytes_downloaded: '9000000000', bytes_uploaded: '7' });
  });
});
