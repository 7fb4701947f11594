import { afterAll, describe, expect, test } from 'vitest';
import { registerAgent } from '../../../core/agents/register.ts';
import { groupFigures, listGroups, secondsToEmpty } from '../../../core/groups/figures.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, endings, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

const EMPTY = {
  ...{ pending: 0, running: 0, completed: 0, failed: 0, canceled: 0, completedLastHour: 0 },
  ...{ pendingByPriority: [], oldestPendingAt: null, medianRunSeconds: null, sampledJobs: 0, emptyInSeconds: 0 },
  agents: { idle: 0, busy: 0, draining: 0, gone: 0 },
};

describe('the figures of a container group', () => {
  test('count what waits, runs, and has ended within a day, and estimate when nothing waits', async () => {
    const { viewer } = await account();
    await registerAgent(core, viewer, {
      ...{ machineId: 'm', containerGroupId: 'group', version: null, hardware: null },
      sessionId: '6a5b2f0e-7f1c-4c57-9d8e-0b8a8e7d4f11',
    });
    for (const seconds of [10, 20, 90]) {
      await submit(core, viewer);
      const { id, lease } = await claim(core, viewer);
      await finishAttempt(core, viewer, lease, endings.completed);
      await database.query(
        'update attempts set started_at = ended_at - make_interval(secs => $2::int) where job_id = $1',
        [id, seconds],
      );
    }
    await database.query(
      `update jobs set completed_at = now() - interval '90 minutes'
       where id = (select id from jobs where account_id = $1 order by position limit 1)`,
      [viewer.accountId],
    );
    await cancelJob(core, viewer, (await submit(core, viewer)).id);
    await submit(core, viewer, { maxFailures: 1 });
    await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.failed);
    await submit(core, viewer, { priority: 7 });
    await claim(core, viewer, 'another');
    const oldest = await submit(core, viewer);
    await submit(core, viewer, { priority: 5 });
    await submit(core, viewer, { priority: 5 });
    await submit(core, viewer, { containerGroupId: 'other' });
    const [figures] = await groupFigures(core, viewer, ['group']);
    expect(figures).toEqual({
      id: 'group',
      ...{ pending: 3, running: 1, completed: 3, failed: 1, canceled: 1, completedLastHour: 2 },
      pendingByPriority: [
        { priority: 5, pending: 2 },
        { priority: 0, pending: 1 },
      ],
      oldestPendingAt: oldest.createdAt,
      agents: { idle: 1, busy: 0, draining: 0, gone: 0 },
      ...{ medianRunSeconds: 20, sampledJobs: 3, emptyInSeconds: 60 },
    });
  });

  test('of what has ended long ago nothing is counted', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.completed);
    await database.query(`update jobs set completed_at = now() - interval '25 hours' where account_id = $1`, [
      viewer.accountId,
    ]);
    expect(await groupFigures(core, viewer, ['group'])).toEqual([{ id: 'group', ...EMPTY }]);
  });

  test('of another account’s group are those of one that nobody has', async () => {
    const [owner, stranger] = [await account(), await account()];
    await submit(core, owner.viewer, { containerGroupId: 'mine' });
    const both = await groupFigures(core, stranger.viewer, ['mine', 'nobody’s']);
    expect(both).toEqual([
      { id: 'mine', ...EMPTY },
      { id: 'nobody’s', ...EMPTY },
    ]);
  });

  test('an estimate is made only where there is something to make it of', () => {
    expect(secondsToEmpty({ pending: 10, agents: 4, medianRunSeconds: 30 })).toBe(75);
    expect(secondsToEmpty({ pending: 0, agents: 0, medianRunSeconds: null })).toBe(0);
    expect(secondsToEmpty({ pending: 1, agents: 0, medianRunSeconds: 30 })).toBeNull();
    expect(secondsToEmpty({ pending: 1, agents: 4, medianRunSeconds: null })).toBeNull();
  });

  test('cost what the last day has, not what the history has', async () => {
    const { viewer } = await account();
    await database.query(
      `with made as (
         insert into jobs (account_id, api_key_id, command, arguments, environment, container_group_id, labels,
                           max_failures, heartbeat_interval, status, completed_at, attempt_number)
         select $1, gen_random_uuid(), 'true', '[]', '{}', 'group', '{}', 3, 30, 'COMPLETED',
                now() - interval '25 hours' - n * interval '1 second', 1
         from generate_series(1, 3000) n returning id)
       select count(*) from made`,
      [viewer.accountId],
    );
    await database.query('analyze jobs');
    const plan = await database.query<{ 'QUERY PLAN': string }>(
      `explain (analyze, buffers) select count(*) from jobs j
       where j.account_id = '${viewer.accountId}' and j.container_group_id = 'group' and j.status = 'COMPLETED'
         and j.completed_at > now() - interval '1 day'`,
    );
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toContain('jobs_completed_index');
    expect(await groupFigures(core, viewer, ['group'])).toEqual([{ id: 'group', ...EMPTY }]);
  });
});

test('the groups of an account are those it has jobs or agents of, in order, page by page', async () => {
  const { viewer } = await account();
  for (const containerGroupId of ['b', 'd', 'b', 'a']) await submit(core, viewer, { containerGroupId });
  await registerAgent(core, viewer, {
    ...{ machineId: 'm', containerGroupId: 'c', version: null, hardware: null },
    sessionId: '2f3a6f6e-1f53-4a5d-9a77-6c1a0e0f9b22',
  });
  const ids = async (page: { after?: string; limit: number }) =>
    (await listGroups(core, viewer, page)).map(({ id }) => id);
  expect(await ids({ limit: 10 })).toEqual(['a', 'b', 'c', 'd']);
  expect(await ids({ limit: 2 })).toEqual(['a', 'b']);
  expect(await ids({ after: 'b', limit: 2 })).toEqual(['c', 'd']);
  expect(await ids({ after: 'd', limit: 2 })).toEqual([]);
});
