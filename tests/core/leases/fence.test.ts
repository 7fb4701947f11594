import { afterAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import type { LeaseRef } from '../../../core/leases/terms.ts';
import { openTestCore } from '../../support/core.ts';
import { allRows, claim, endings, outcomes, runOut, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
const { viewer } = await account();

/** Each way in which an attempt is fenced off, and the report that it may repeat because it is the one that ended it. */
const ways: Record<string, { fence: (lease: LeaseRef) => Promise<unknown>; repeats?: keyof typeof endings }> = {
  'a newer attempt': {
    fence: async () => {
      await runOut(database);
      await rescueExpired(core);
      await claim(core, viewer, 'another');
    },
  },
  'a newer attempt of its own machine': {
    fence: async () => {
      await runOut(database);
      await rescueExpired(core);
      await claim(core, viewer, 'machine');
    },
  },
  'a newer attempt that has ended as well': {
    fence: async () => {
      await runOut(database);
      await rescueExpired(core);
      const newer = await claim(core, viewer, 'another');
      await finishAttempt(core, viewer, newer.lease, endings.released);
    },
  },
  'a newer attempt that was lost as well': {
    fence: async () => {
      await runOut(database);
      await rescueExpired(core);
      await claim(core, viewer, 'another');
      await runOut(database);
      await rescueExpired(core);
    },
  },
  'a cancel': { fence: ({ jobId }) => cancelJob(core, viewer, jobId) },
  'a cancel after its lease ran out': {
    fence: async ({ jobId }) => {
      await runOut(database);
      await rescueExpired(core);
      await cancelJob(core, viewer, jobId);
    },
  },
  'a cancel and a retry': {
    fence: async ({ jobId }) => {
      await cancelJob(core, viewer, jobId);
      await retryJob(core, viewer, jobId);
    },
  },
  'a cancel and a retry after its lease ran out': {
    fence: async ({ jobId }) => {
      await runOut(database);
      await rescueExpired(core);
      await cancelJob(core, viewer, jobId);
      await retryJob(core, viewer, jobId);
    },
  },
  'its own completion': {
    fence: (lease) => finishAttempt(core, viewer, lease, endings.completed),
    repeats: 'completed',
  },
  'its own failure': { fence: (lease) => finishAttempt(core, viewer, lease, endings.failed), repeats: 'failed' },
  'its own release': { fence: (lease) => finishAttempt(core, viewer, lease, endings.released), repeats: 'released' },
  'its own release and the next claim': {
    fence: async (lease) => {
      await finishAttempt(core, viewer, lease, endings.released);
      await claim(core, viewer, 'another');
    },
    repeats: 'released',
  },
  'a job that failed for good': {
    fence: async (lease) => {
      await database.query('update jobs set max_interruptions = 0 where id = $1', [lease.jobId]);
      await runOut(database);
      await rescueExpired(core);
    },
  },
  'a purged row': { fence: ({ jobId }) => database.query('delete from jobs where id = $1', [jobId]) },
  'an attempt number that never was': {
    fence: async (lease) => {
      lease.attempt += 1;
    },
  },
};

const checkpoints = { files: 3, bytes: '30', newestKeys: ['a', 'b', 'c'] };
const verbs: Record<string, (lease: LeaseRef) => Promise<unknown>> = {
  heartbeat: (lease) => heartbeat(core, viewer, lease),
  'heartbeat with phase, progress and bytes': (lease) =>
    heartbeat(core, viewer, lease, {
      phase: 'UPLOADING',
      progress: { fraction: 0.5, message: 'half', metrics: { loss: 1 } },
      bytesDownloaded: '1000',
      bytesUploaded: '1000',
    }),
  'heartbeat with all that is seen of its sync': (lease) =>
    heartbeat(core, viewer, lease, {
      phase: 'DOWNLOADING',
      transfer: { filesDone: 1, filesTotal: 2, bytesDone: '1', bytesTotal: '2', bytesPerSecond: 3 },
      ...{ filesDownloaded: 1000, filesUploaded: 1000, syncLagSeconds: 5, warning: 'slow', checkpoints },
    }),
  completed: (lease) => finishAttempt(core, viewer, lease, { ...endings.completed, bytesUploaded: '9', checkpoints }),
  failed: (lease) => finishAttempt(core, viewer, lease, endings.failed),
  timedOut: (lease) => finishAttempt(core, viewer, lease, endings.timedOut),
  syncFailed: (lease) => finishAttempt(core, viewer, lease, endings.syncFailed),
  released: (lease) => finishAttempt(core, viewer, lease, endings.released),
};

describe('Rule 2: an attempt that is fenced off changes nothing', () => {
  test.each(Object.entries(ways))('by %s, whatever it says', async (_way, { fence, repeats }) => {
    await submit(core, viewer, { webhook: 'http://127.0.0.1:9/' });
    const { lease } = await claim(core, viewer, 'machine');
    await heartbeat(core, viewer, lease, { phase: 'RUNNING' });
    await fence(lease);
    const before = await allRows(database);
    for (const [verb, say] of Object.entries(verbs)) {
      const expected = verb === repeats ? 'done' : 'LEASE_LOST';
      expect([verb, ...(await outcomes([say(lease)]))]).toEqual([verb, expected]);
    }
    expect(await allRows(database)).toEqual(before);
    await database.query('delete from jobs');
  });

  test('by being another account’s', async () => {
    const { viewer: stranger } = await account();
    await submit(core, viewer);
    const { lease } = await claim(core, viewer, 'machine');
    const before = await allRows(database);
    const said = [
      heartbeat(core, stranger, lease, { phase: 'RUNNING' }),
      ...Object.values(endings).map((ending) => finishAttempt(core, stranger, lease, ending)),
    ];
    expect(new Set(await outcomes(said))).toEqual(new Set(['LEASE_LOST']));
    expect(await allRows(database)).toEqual(before);
    await database.query('delete from jobs');
  });

  test('and is told why, for a person who reads its log', async () => {
    await submit(core, viewer);
    const { lease } = await claim(core, viewer, 'machine');
    await finishAttempt(core, viewer, lease, endings.released);
    await claim(core, viewer, 'another');
    await expect(heartbeat(core, viewer, lease)).rejects.toThrow('followed by attempt 2');
    await database.query('delete from jobs');
  });
});
