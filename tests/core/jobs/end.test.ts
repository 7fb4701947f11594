import { afterAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import { openTestCore } from '../../support/core.ts';
import { disagreements } from '../../support/history.ts';
import { allRows, claim, endings, eventTypes, outcomes, rowOf, runOut, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
afterAll(close);

describe('Rule 8: cancel and completion', () => {
  test('of a cancel and a completion at once exactly one wins, and the rows agree', async () => {
    const { viewer } = await account();
    const leases = [];
    for (let pair = 0; pair < 40; pair++) {
      await submit(core, viewer);
      leases.push((await claim(core, viewer)).lease);
    }
    const won = await Promise.all(
      leases.map(async (lease, index) => {
        const cancel = () => cancelJob(core, viewer, lease.jobId);
        const complete = () => finishAttempt(core, viewer, lease, endings.completed);
        const [canceled, completed] =
          index % 2 === 0
            ? await outcomes([cancel(), complete()])
            : (await outcomes([complete(), cancel()])).toReversed();
        return { canceled, completed, status: (await rowOf(database, lease.jobId)).status };
      }),
    );
    for (const race of won) {
      const expected =
        race.status === 'COMPLETED'
          ? { canceled: 'CONFLICT', completed: 'done' }
          : { canceled: 'done', completed: 'LEASE_LOST', status: 'CANCELED' };
      expect(race).toMatchObject(expected);
    }
    expect(await disagreements(database)).toEqual([]);
  });

  test('a cancel that has committed wins over a completion', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { lease } = await claim(core, viewer);
    await cancelJob(core, viewer, lease.jobId);
    expect(await outcomes([finishAttempt(core, viewer, lease, endings.completed)])).toEqual(['LEASE_LOST']);
    expect(await rowOf(database, lease.jobId)).toMatchObject({ status: 'CANCELED', completed_at: null });
  });

  test('a completion that has committed wins over a cancel', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { lease } = await claim(core, viewer);
    await finishAttempt(core, viewer, lease, endings.completed);
    await expect(cancelJob(core, viewer, lease.jobId)).rejects.toThrow('completed already');
    expect(await rowOf(database, lease.jobId)).toMatchObject({ status: 'COMPLETED', canceled_at: null });
  });

  test('cancelling twice is fine, and is told once', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    await cancelJob(core, viewer, job.id);
    const before = await allRows(database);
    const again = await cancelJob(core, viewer, job.id);
    expect(again.status).toBe('CANCELED');
    expect(await allRows(database)).toEqual(before);
  });

  test('ten cancels at once are all fine, and are told once', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    await claim(core, viewer);
    const tries = Array.from({ length: 10 }, () => cancelJob(core, viewer, job.id));
    expect(new Set(await outcomes(tries))).toEqual(new Set(['done']));
    expect(await eventTypes(database, job.id)).toEqual(['SUBMITTED', 'CLAIMED', 'ATTEMPT_ENDED', 'CANCELED']);
  });

  test('cancelling a failed job is a conflict', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { maxFailures: 1 });
    const { lease } = await claim(core, viewer);
    await finishAttempt(core, viewer, lease, endings.failed);
    expect(await outcomes([cancelJob(core, viewer, lease.jobId)])).toEqual(['CONFLICT']);
  });

  test('the canceled attempt tells who ended it, when and why', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { lease } = await claim(core, viewer);
    await cancelJob(core, viewer, lease.jobId);
    const [attempt] = await database.query('select * from attempts where job_id = $1', [lease.jobId]);
    expect(attempt).toMatchObject({ outcome: 'CANCELED', ended_by: 'USER', ended_at: expect.any(Date) as unknown });
    expect(attempt?.reason).toContain('Canceled');
  });
});

describe('Rule 8: retry', () => {
  test('a failed job is pending again with its whole budget; the history and the bans stay', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { maxFailures: 1 });
    const first = await claim(core, viewer, 'bad');
    await finishAttempt(core, viewer, first.lease, endings.failed);
    const retried = await retryJob(core, viewer, first.id);
    expect(retried).toMatchObject({ status: 'PENDING', numFailures: 0, failedAt: null, statusReason: null });
    const [event] = await database.query(`select data from job_events where job_id = $1 and type = 'RETRIED'`, [
      first.id,
    ]);
    expect(event?.data).toMatchObject({ from: 'FAILED', numFailures: 1 });
    const bans = await database.query('select machine_id from bans where job_id = $1', [first.id]);
    expect(bans).toEqual([{ machine_id: 'bad' }]);
    const second = await claim(core, viewer, 'good');
    expect(second.lease).toEqual({ jobId: first.id, attempt: 2 });
  });

  test('a canceled job can be retried', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    await cancelJob(core, viewer, job.id);
    await retryJob(core, viewer, job.id);
    expect((await claim(core, viewer)).id).toBe(job.id);
  });

  test('a pending, running or completed job cannot be retried, and nothing changes', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { lease } = await claim(core, viewer);
    const pending = await submit(core, viewer);
    await submit(core, viewer, { containerGroupId: 'other' });
    const done = await claim(core, viewer, 'machine', 'other');
    await finishAttempt(core, viewer, done.lease, endings.completed);
    const before = await allRows(database);
    const tries = [pending.id, lease.jobId, done.id].map((id) => retryJob(core, viewer, id));
    expect(await outcomes(tries)).toEqual(['CONFLICT', 'CONFLICT', 'CONFLICT']);
    expect(await allRows(database)).toEqual(before);
  });

  test('of ten retries at once one retries', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    await cancelJob(core, viewer, job.id);
    const tries = Array.from({ length: 10 }, () => retryJob(core, viewer, job.id));
    expect((await outcomes(tries)).filter((outcome) => outcome === 'done')).toHaveLength(1);
  });
});

test('another account’s job can neither be canceled nor retried, and an id that is none is not found either', async () => {
  const owner = await account();
  const stranger = await account();
  const job = await submit(core, owner.viewer);
  const before = await allRows(database);
  const tries = [job.id, 'no id', '11111111-1111-4111-8111-111111111111'].flatMap((id) => [
    cancelJob(core, stranger.viewer, id),
    retryJob(core, stranger.viewer, id),
  ]);
  expect(new Set(await outcomes(tries))).toEqual(new Set(['NOT_FOUND']));
  expect(await allRows(database)).toEqual(before);
});

describe('Rule 4: budgets', () => {
  const rounds = { failed: endings.failed, timedOut: endings.timedOut };

  test.each(Object.entries(rounds))('%s spends max_failures, 3 by default', async (_name, ending) => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer);
    for (const machine of ['a', 'b', 'c']) {
      await finishAttempt(core, viewer, (await claim(core, viewer, machine)).lease, ending);
    }
    expect(await rowOf(database, id)).toMatchObject({ status: 'FAILED', num_failures: 3, num_interruptions: 0 });
  });

  test('lost and released attempts are interruptions, and spend no failure', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer, { maxFailures: 1 });
    for (let round = 0; round < 5; round++) {
      await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.released);
      await claim(core, viewer);
      await runOut(database, id);
      await rescueExpired(core);
    }
    expect(await rowOf(database, id)).toMatchObject({ status: 'PENDING', num_failures: 0, num_interruptions: 10 });
  });

  test('max_interruptions bounds them: one more makes the job FAILED', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer, { maxInterruptions: 1 });
    await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.released);
    expect(await rowOf(database, id)).toMatchObject({ status: 'PENDING' });
    await claim(core, viewer);
    await runOut(database, id);
    await rescueExpired(core);
    expect(await rowOf(database, id)).toMatchObject({ status: 'FAILED', num_interruptions: 2, num_failures: 0 });
  });

  test('sync faults are counted apart, ban nobody, and end the job at 10', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer, { maxFailures: 1 });
    for (let round = 1; round <= 10; round++) {
      expect(await rowOf(database, id)).toMatchObject({ status: 'PENDING', num_sync_failures: round - 1 });
      await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.syncFailed);
    }
    expect(await rowOf(database, id)).toMatchObject({ status: 'FAILED', num_sync_failures: 10, num_failures: 0 });
    expect(await database.query('select * from bans where job_id = $1', [id])).toEqual([]);
  });
});
