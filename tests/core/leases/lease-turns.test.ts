import { afterAll, expect, test } from 'vitest';
import { MOST_OF_LEASE } from '../../../core/leases/lease-turns.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { openTestCore } from '../../support/core.ts';
import { holding, played, waitingForLocks } from '../../support/holding.ts';
import { claimMany } from '../../support/jobs.ts';
import { append } from '../../support/logs.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
afterAll(close);

const holdAttempt = 'select from attempts where job_id = $1 for update';

test('what a later heartbeat says stands, also where an earlier one has to wait in the midst of what it says', async () => {
  const { viewer } = await account();
  await played(async () => {
    const [lease] = await claimMany(core, viewer, 1);
    if (!lease) throw new Error('Expected a lease');
    const letGo = await holding(database, 'select from jobs where id = $1 for update', [lease.jobId]);
    const checkpoints = { files: 1, bytes: '10', newestKeys: ['checkpoint'] };
    const first = heartbeat(core, viewer, lease, { phase: 'RUNNING', warning: 'slow', checkpoints });
    // Renewed, and about to say what is new.
    await until('the first to wait', async () => (await waitingForLocks(database)) === 1);
    const told = Promise.all([first, heartbeat(core, viewer, lease, { phase: 'UPLOADING', warning: null })]);
    told.catch(() => undefined);
    // Another lease's, which comes after all of that, is answered before.
    const [other] = await claimMany(core, viewer, 1);
    if (!other) throw new Error('Expected another lease');
    await heartbeat(core, viewer, other);
    await letGo();
    await told;
    const rows = await database.query('select phase, warning from attempts where job_id = $1', [lease.jobId]);
    expect(rows).toEqual([{ phase: 'UPLOADING', warning: null }]);
    const phases = await database.query<{ phase: string }>(
      `select data ->> 'phase' as phase from job_events where job_id = $1 and type = 'PHASE_CHANGED' order by seq`,
      [lease.jobId],
    );
    expect(phases.map(({ phase }) => phase)).toEqual(['RUNNING', 'UPLOADING']);
  });
});

test.each(['heartbeats', 'chunks of a log'])(
  'more %s of one lease than may wait are told to come again, those of others are not',
  async (what) => {
    const { viewer } = await account();
    const [lease, other] = await claimMany(core, viewer, 2);
    if (!lease || !other) throw new Error('Expected two leases');
    const say = async (under: typeof lease): Promise<void> => {
      await (what === 'heartbeats' ? heartbeat(core, viewer, under) : append(core, viewer, under, 0, 'line'));
    };
    const letGo = await holding(database, holdAttempt, [lease.jobId]);
    const waiting = Promise.allSettled(Array.from({ length: MOST_OF_LEASE }, () => say(lease)));
    await expect(say(lease)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await say(other);
    await letGo();
    await waiting;
    await say(lease);
  },
);
