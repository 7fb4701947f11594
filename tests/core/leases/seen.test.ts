import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { findJob, newestAttempts, syncLags } from '../../../core/jobs/find.ts';
import { statusReason } from '../../../core/jobs/reason.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat, type Pulse } from '../../../core/leases/renew.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import type { LeaseRef } from '../../../core/leases/terms.ts';
import { progressOfTransfer, shownProgress } from '../../../core/leases/transfer.ts';
import { openTestCore } from '../../support/core.ts';
import { disagreements } from '../../support/history.ts';
import { claim, endings, eventTypes, rowOf, runOut, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
afterAll(close);

/** A job that a machine of an account of its own holds. */
async function held() {
  const { viewer } = await account();
  await submit(core, viewer);
  const { id, lease } = await claim(core, viewer);
  const beat = (pulse: Pulse) => heartbeat(core, viewer, lease, pulse);
  return { viewer, id, lease, beat };
}

async function attemptOf({ jobId, attempt }: LeaseRef) {
  const [row] = await database.query('select * from attempts where job_id = $1 and number = $2', [jobId, attempt]);
  if (row === undefined) throw new Error('Expected the row of an attempt, got none');
  return row;
}

async function saved(jobId: string) {
  const events = await database.query<{ data: Record<string, unknown> }>(
    `select data from job_events where job_id = $1 and type = 'CHECKPOINT_SAVED' order by seq`,
    [jobId],
  );
  return events.map(({ data }) => data);
}

const published = (files: number, bytes: number) => ({
  files,
  bytes: String(bytes),
  newestKeys: Array.from({ length: files }, (_, index) => `run/step-${index + 1}`).slice(-10),
});

describe('what was carried', () => {
  test('only grows, whatever comes late, and is complete with the ending', async () => {
    const { viewer, lease, beat } = await held();
    await beat({ bytesDownloaded: '10', bytesUploaded: '3', filesDownloaded: 2, filesUploaded: 1 });
    await beat({ bytesDownloaded: '9', filesDownloaded: 1 });
    expect(await attemptOf(lease)).toMatchObject({ files_downloaded: 2, files_uploaded: 1, bytes_downloaded: '10' });
    await finishAttempt(core, viewer, lease, { ...endings.completed, filesUploaded: 5 });
    expect(await attemptOf(lease)).toMatchObject({ files_downloaded: 2, files_uploaded: 5, bytes_uploaded: '3' });
  });
});

describe('CHECKPOINT_SAVED', () => {
  test('tells each burst once, with the keys that are new, however often it is reported', async () => {
    const { id, beat } = await held();
    await beat({ checkpoints: published(2, 20) });
    await beat({ checkpoints: published(2, 20) });
    await beat({ checkpoints: published(3, 50) });
    await beat({ checkpoints: published(2, 20) });
    expect(await saved(id)).toEqual([
      { files: 2, bytes: 20, keys: ['run/step-1', 'run/step-2'], more: 0 },
      { files: 1, bytes: 30, keys: ['run/step-3'], more: 0 },
    ]);
  });

  test('bears the very time that the job shows, so that who follows events knows as much as who asks', async () => {
    let { id, beat } = await held();
    for (let files = 1; files <= 60; files++) {
      // So many checkpoints of one attempt would have to wait for each other.
      if (files % 15 === 0) ({ id, beat } = await held());
      await beat({ checkpoints: published(files, files) });
      const [times] = await database.query<{ same: boolean }>(
        `select j.last_checkpoint_at = e.at as same from jobs j join job_events e on e.job_id = j.id and e.seq = j.event_seq
         where j.id = $1`,
        [id],
      );
      expect(times).toEqual({ same: true });
    }
  });

  test('comes once when the same report arrives several times at once', async () => {
    const { id, beat } = await held();
    await Promise.all(Array.from({ length: 12 }, () => beat({ checkpoints: published(4, 40) })));
    expect(await saved(id)).toHaveLength(1);
    expect(await disagreements(database)).toEqual([]);
  });

  test('names at most ten keys, each once, and counts the rest', async () => {
    const { id, beat } = await held();
    await beat({ checkpoints: published(25, 1) });
    const newestKeys = ['run/step-25', 'run/latest', 'run/latest', 'run/latest'];
    await beat({ checkpoints: { files: 28, bytes: '4', newestKeys } });
    const [first, second] = await saved(id);
    expect(first).toMatchObject({ files: 25, keys: published(25, 1).newestKeys, more: 15 });
    expect(second).toEqual({ files: 3, bytes: 3, keys: ['run/latest'], more: 0 });
  });

  test('says when by the database’s clock, and the next attempt counts anew', async () => {
    const { viewer, id, lease, beat } = await held();
    expect(await rowOf(database, id)).toMatchObject({ last_checkpoint_at: null });
    await beat({ checkpoints: published(5, 5) });
    const [at] = await database.query('select at from job_events where job_id = $1 order by seq desc limit 1', [id]);
    const first = (await findJob(core, viewer, id)).lastCheckpointAt;
    expect(Math.abs(Number(first) - Number(at?.['at']))).toBeLessThan(1000);
    await finishAttempt(core, viewer, lease, endings.released);
    const next = await claim(core, viewer, 'another');
    await heartbeat(core, viewer, next.lease, { checkpoints: published(1, 1) });
    expect(Number((await findJob(core, viewer, id)).lastCheckpointAt)).toBeGreaterThan(Number(first));
    expect((await saved(id)).map(({ files }) => files)).toEqual([5, 1]);
  });

  test('is told before the ending that brings it, also a late one', async () => {
    const { viewer, id, lease } = await held();
    await runOut(database, id);
    await rescueExpired(core);
    const ending = { ...endings.completed, checkpoints: published(1, 7) };
    await finishAttempt(core, viewer, lease, ending);
    await finishAttempt(core, viewer, lease, { ...ending, checkpoints: published(2, 9) });
    expect((await eventTypes(database, id)).slice(-4)).toEqual([
      'ATTEMPT_ENDED',
      'CHECKPOINT_SAVED',
      'ATTEMPT_ENDED',
      'COMPLETED',
    ]);
    expect(await disagreements(database)).toEqual([]);
  });

  test('is nothing that an attempt without its job can bring about', async () => {
    const { viewer, id, lease } = await held();
    const { viewer: stranger } = await account();
    const said = { checkpoints: published(3, 3), warning: 'mine', syncLagSeconds: 9 };
    await expect(heartbeat(core, stranger, lease, said)).rejects.toThrow('There is no job');
    await cancelJob(core, viewer, id);
    const before = await rowOf(database, id);
    await expect(heartbeat(core, viewer, lease, said)).rejects.toThrow('has ended');
    await expect(finishAttempt(core, viewer, lease, { ...endings.completed, ...said })).rejects.toThrow('has ended');
    expect(await rowOf(database, id)).toEqual(before);
    expect(await saved(id)).toEqual([]);
  });
});

describe('the progress of a job', () => {
  const transfer = {
    filesDone: 12,
    filesTotal: 40,
    bytesDone: '3328599655',
    bytesTotal: '10093173146',
    bytesPerSecond: 220200960,
  };

  async function shown(lease: LeaseRef, viewer: Awaited<ReturnType<typeof held>>['viewer']) {
    const job = await findJob(core, viewer, lease.jobId);
    return shownProgress((await newestAttempts(core, [job])).get(job.id));
  }

  test('is the transfer’s while it lasts, and then again what the command last said', async () => {
    const { viewer, id, lease, beat } = await held();
    await beat({ phase: 'DOWNLOADING' });
    expect(await shown(lease, viewer)).toBeNull();
    await beat({ phase: 'DOWNLOADING', transfer });
    expect(await shown(lease, viewer)).toMatchObject({
      fraction: 3328599655 / 10093173146,
      message: 'downloading 12 of 40 files, 3.1 of 9.4 GiB at 210 MiB/s',
      metrics: {
        bytesDone: 3328599655,
        bytesTotal: 10093173146,
        filesDone: 12,
        filesTotal: 40,
        bytesPerSecond: 220200960,
      },
    });
    await beat({ phase: 'RUNNING' });
    expect(await shown(lease, viewer)).toBeNull();
    await beat({ progress: { fraction: 0.5, message: 'half', metrics: null }, transfer });
    expect(await shown(lease, viewer)).toMatchObject({ message: 'half' });
    await beat({ phase: 'UPLOADING', transfer: { ...transfer, filesDone: 0 } });
    expect(await shown(lease, viewer)).toMatchObject({
      message: expect.stringMatching(/^uploading 0 of 40 files/) as string,
    });
    await beat({ phase: 'UPLOADING', progress: { fraction: 1, message: 'whole', metrics: null } });
    expect(await shown(lease, viewer)).toMatchObject({ message: expect.stringMatching(/^uploading/) as string });
    await finishAttempt(core, viewer, lease, endings.completed);
    expect(await shown(lease, viewer)).toMatchObject({ fraction: 1, message: 'whole' });
    // Twice the transfer, and once the command: its second word came within a second of the first.
    expect((await eventTypes(database, id)).filter((type) => type === 'PROGRESSED')).toHaveLength(3);
  });

  test('of a transfer is told and stored when it has changed, not when it is said again, and once a second', async () => {
    const { viewer, id, lease, beat } = await held();
    const second = () =>
      database.query(`update attempts set transfer_due_at = transfer_due_at - interval '1 second' where job_id = $1`, [
        id,
      ]);
    await beat({ phase: 'UPLOADING', transfer });
    await second();
    await beat({ phase: 'UPLOADING', transfer });
    await beat({ phase: 'UPLOADING', transfer: { ...transfer, filesDone: 13 } });
    await beat({ phase: 'UPLOADING', transfer: { ...transfer, filesDone: 14 } });
    expect(await shown(lease, viewer)).toMatchObject({ metrics: { filesDone: 13 } });
    expect(await eventTypes(database, id)).toEqual([
      'SUBMITTED',
      'CLAIMED',
      'PHASE_CHANGED',
      'PROGRESSED',
      'PROGRESSED',
    ]);
  });

  test('of a transfer is a share and a sentence, whatever the numbers are', () => {
    fc.assert(
      fc.property(
        fc.record({
          ...{ filesDone: fc.nat(), filesTotal: fc.nat() },
          ...{
            bytesDone: fc.bigInt(0n, 10n ** 18n - 1n).map(String),
            bytesTotal: fc.bigInt(0n, 10n ** 18n - 1n).map(String),
          },
          bytesPerSecond: fc.double({ min: 0, max: 1e15, noNaN: true }),
        }),
        (numbers) => {
          const at = '2026-01-01T00:00:00.000Z';
          const progress = progressOfTransfer('UPLOADING', numbers, new Date(at));
          expect(progress?.fraction).toBeGreaterThanOrEqual(0);
          expect(progress?.fraction).toBeLessThanOrEqual(1);
          expect(progress?.message).toMatch(
            /^uploading \d+ of \d+ files?, [\d.]+ of [\d.]+ ([KMGTP]i)?B at [\d.]+ ([KMGTP]i)?B\/s$/,
          );
        },
      ),
    );
  });
});

describe('how far the bucket is behind', () => {
  const lagOf = async (id: string) => (await syncLags(core, [id])).get(id);

  test('grows while nothing is heard, by the database’s clock', async () => {
    const { id, beat } = await held();
    await beat({ syncLagSeconds: 5 });
    expect(await lagOf(id)).toBeCloseTo(5, 0);
    await database.query(`update attempts set heartbeat_at = heartbeat_at - interval '100 seconds' where job_id = $1`, [
      id,
    ]);
    expect(await lagOf(id)).toBeCloseTo(105, 0);
    await beat({ syncLagSeconds: 1 });
    expect(await lagOf(id)).toBeCloseTo(1, 0);
  });

  test('is 0 when everything is published, however long nothing is heard', async () => {
    const { id, beat } = await held();
    await beat({ syncLagSeconds: 0 });
    await database.query(`update attempts set heartbeat_at = heartbeat_at - interval '1 hour' where job_id = $1`, [id]);
    expect(await lagOf(id)).toBe(0);
  });

  test('is unknown without an attempt, and where nothing is synced', async () => {
    const { viewer, id, lease, beat } = await held();
    expect(await lagOf(id)).toBeUndefined();
    await beat({ syncLagSeconds: 3 });
    await runOut(database, id);
    await rescueExpired(core);
    expect(await lagOf(id)).toBeUndefined();
    await beat({ syncLagSeconds: 8 });
    expect(await lagOf(id)).toBeCloseTo(8, 0);
    await beat({});
    expect(await lagOf(id)).toBeUndefined();
    await beat({ syncLagSeconds: 3 });
    await finishAttempt(core, viewer, lease, endings.released);
    expect(await lagOf(id)).toBeUndefined();
  });
});

describe('a warning', () => {
  async function reasonOf(viewer: Awaited<ReturnType<typeof held>>['viewer'], id: string) {
    const job = await findJob(core, viewer, id);
    return statusReason(job, { attempt: (await newestAttempts(core, [job])).get(id) });
  }

  async function told(id: string) {
    const warnings = await database.query<{ message: string | null }>(
      `select data->>'message' as message from job_events where job_id = $1 and type = 'WARNED' order by seq`,
      [id],
    );
    return warnings.map(({ message }) => message);
  }

  test('stands while heartbeats say nothing of warnings, as those do that follow a refused one', async () => {
    const { viewer, id, beat } = await held();
    await beat({ warning: 'Uploads keep failing' });
    await beat({});
    await beat({ phase: 'RUNNING' });
    await beat({ progress: { fraction: 0.5, message: null, metrics: null } });
    expect(await reasonOf(viewer, id)).toBe('Uploads keep failing');
    await beat({ warning: 'Uploads keep failing' });
    expect(await told(id)).toEqual(['Uploads keep failing']);
  });

  test('is the reason of the status while its attempt lives, and its coming and going are told', async () => {
    const { viewer, id, lease, beat } = await held();
    await beat({ warning: 'Uploads keep failing' });
    await beat({ warning: 'Uploads keep failing' });
    expect(await reasonOf(viewer, id)).toBe('Uploads keep failing');
    await beat({ warning: null });
    expect(await reasonOf(viewer, id)).toBeNull();
    await beat({ warning: 'again' });
    await finishAttempt(core, viewer, lease, endings.released);
    expect(await reasonOf(viewer, id)).toBe('The job was interrupted once: the agent was told to stop');
    await claim(core, viewer, 'another');
    expect(await reasonOf(viewer, id)).toBeNull();
    expect(await told(id)).toEqual(['Uploads keep failing', null, 'again']);
    expect(await disagreements(database)).toEqual([]);
  });
});
