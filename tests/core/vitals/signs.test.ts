import { afterAll, expect, test } from 'vitest';
import { readVitalSigns } from '../../../core/vitals/signs.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, runOut, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

test('the deepest queues are named, the others counted, and groups of several accounts added up', async () => {
  const [mine, theirs] = [await account(), await account()];
  for (const { viewer } of [mine, theirs]) await submit(core, viewer, { containerGroupId: 'shared' });
  await submit(core, mine.viewer, { containerGroupId: 'shared' });
  await submit(core, mine.viewer, { containerGroupId: 'one' });
  await submit(core, theirs.viewer, { containerGroupId: 'two' });
  await database.query(`update jobs set created_at = now() - interval '1 hour' where container_group_id = 'two'`);

  const { queues, others } = await readVitalSigns(core, { mostQueues: 2 });
  expect(queues).toHaveLength(2);
  expect(queues).toContainEqual({
    containerGroupId: 'shared',
    pending: 3,
    oldestSeconds: expect.any(Number) as number,
  });
  expect(queues.map(({ containerGroupId }) => containerGroupId)).toContain('one');
  expect(others).toEqual({ groups: 1, pending: 1, oldestSeconds: expect.closeTo(3_600, -2) as number });
});

test('an empty installation has nothing to do, and events that were not handed out have an age', async () => {
  await using stack = new AsyncDisposableStack();
  const own = await openTestCore();
  stack.defer(own.close);
  const { viewer } = await own.account();
  const nothing = { leaseOverdueSeconds: 0, liveAttempts: 0, pendingWebhooks: 0, webhookOverdueSeconds: 0 };
  expect(await readVitalSigns(own.core, { mostQueues: 9 })).toMatchObject({
    queues: [],
    ...nothing,
    eventLagSeconds: 0,
  });

  await submit(own.core, viewer, { webhook: 'https://example.com/hook' });
  await claim(own.core, viewer);
  await own.database.query(`update job_events set at = at - interval '1 minute'`);
  await own.database.query(`update webhook_deliveries set next_try_at = now() - interval '1 minute'`);
  await runOut(own.database);
  const signs = await readVitalSigns(own.core, { mostQueues: 9 });
  expect(signs).toMatchObject({ liveAttempts: 1, pendingWebhooks: 1 });
  expect(signs.eventLagSeconds).toBeGreaterThan(59);
  expect(signs.webhookOverdueSeconds).toBeGreaterThan(59);
  expect(signs.leaseOverdueSeconds).toBeGreaterThan(0.9);

  await own.core.feed.runOnce();
  expect((await readVitalSigns(own.core, { mostQueues: 9 })).eventLagSeconds).toBe(0);
});
