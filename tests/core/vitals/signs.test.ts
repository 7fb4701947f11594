import { afterAll, expect, test } from 'vitest';
import { readQueues, readVitalSigns } from '../../../core/vitals/signs.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, endings, runOut, submit } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

test('the deepest queues are named, the others counted, and groups of several accounts added up', async () => {
  const [mine, theirs] = [await account(), await account()];
  for (const { viewer } of [mine, theirs]) await submit(core, viewer, { containerGroupId: 'shared' });
  await submit(core, mine.viewer, { containerGroupId: 'shared' });
  await submit(core, mine.viewer, { containerGroupId: 'one' });
  await submit(core, theirs.viewer, { containerGroupId: 'two' });
  await waitFor('two', '1 hour');

  const { named, others } = await readQueues(core, { mostNamed: 2 });
  expect(named).toHaveLength(2);
  expect(named).toContainEqual(expect.objectContaining({ containerGroupId: 'shared', pending: 3 }));
  expect(named.map(({ containerGroupId }) => containerGroupId)).toContain('one');
  const anHour = expect.closeTo(3_600, -2) as number;
  expect(others).toEqual({ groups: 1, pending: 1, oldestSeconds: anHour, idleSeconds: anHour });
});

test('a queue waits since its first job began to, and is idle only if nothing runs in its own account’s group', async () => {
  const [mine, theirs] = [await account(), await account()];
  const group = { containerGroupId: 'waiting' };
  const look = async () => {
    const { named } = await readQueues(core, { mostNamed: 100 });
    return named.find(({ containerGroupId }) => containerGroupId === 'waiting');
  };
  await submit(core, mine.viewer, group);
  await waitFor('waiting', '10 hours');
  const { lease } = await claim(core, mine.viewer, 'machine', 'waiting');
  await submit(core, mine.viewer, group);
  await waitFor('waiting', '2 hours');
  expect(await look()).toMatchObject({ oldestSeconds: expect.closeTo(7_200, -2) as number, idleSeconds: 0 });

  await submit(core, theirs.viewer, group);
  await database.query(`update job_events set at = at - interval '1 hour' where account_id = $1`, [
    theirs.viewer.accountId,
  ]);
  expect(await look()).toMatchObject({ idleSeconds: expect.closeTo(3_600, -2) as number });
  await database.query(`delete from jobs where account_id = $1`, [theirs.viewer.accountId]);

  // The first to be submitted is pending again: what it waited before its attempt is no waiting any more.
  await finishAttempt(core, mine.viewer, lease, endings.released);
  const again = await look();
  expect(again?.oldestSeconds).toBeLessThan(3_600);
  expect(again?.idleSeconds).toBe(again?.oldestSeconds);
});

/** As if everything had happened so long before. */
async function waitFor(containerGroupId: string, long: string): Promise<void> {
  await database.query(`update jobs set created_at = created_at - $2::interval where container_group_id = $1`, [
    containerGroupId,
    long,
  ]);
  await database.query(`update job_events set at = at - $2::interval where container_group_id = $1`, [
    containerGroupId,
    long,
  ]);
}

test('an empty installation has nothing to do, and events that were not handed out have an age', async () => {
  await using stack = new AsyncDisposableStack();
  const own = await openTestCore();
  stack.defer(own.close);
  const { viewer } = await own.account();
  const nothing = { leaseOverdueSeconds: 0, liveAttempts: 0, pendingWebhooks: 0, webhookOverdueSeconds: 0 };
  expect(await readVitalSigns(own.core)).toEqual({ ...nothing, eventLagSeconds: 0 });
  expect(await readQueues(own.core, { mostNamed: 9 })).toEqual({
    named: [],
    others: { groups: 0, pending: 0, oldestSeconds: 0, idleSeconds: 0 },
  });

  await submit(own.core, viewer, { webhook: 'https://example.com/hook' });
  await claim(own.core, viewer);
  await own.database.query(`update job_events set at = at - interval '1 minute'`);
  await own.database.query(`update webhook_deliveries set next_try_at = now() - interval '1 minute'`);
  await runOut(own.database);
  const signs = await readVitalSigns(own.core);
  expect(signs).toMatchObject({ liveAttempts: 1, pendingWebhooks: 1 });
  expect(signs.eventLagSeconds).toBeGreaterThan(59);
  expect(signs.webhookOverdueSeconds).toBeGreaterThan(59);
  expect(signs.leaseOverdueSeconds).toBeGreaterThan(0.9);

  // A transaction that somebody else has open, in whatever database of the cluster, holds up what is handed out in order.
  await until('all events to be handed out', async () => {
    await own.core.feed.runOnce();
    return (await readVitalSigns(own.core)).eventLagSeconds === 0;
  });
});
