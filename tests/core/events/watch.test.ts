import { afterAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import type { Job } from '../../../db/entities/job.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, endings, submit } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const { core, account, close } = await openTestCore();
afterAll(close);

/** Lets everything that has been committed so far be handed out. */
async function feedOn(jobId: string, type: string): Promise<void> {
  let seen = false;
  const leave = core.feed.listen((event) => (seen ||= event.jobId === jobId && event.type === type));
  await until(`${type} in the feed`, async () => {
    await core.feed.runOnce();
    return seen;
  });
  leave();
}

/** The next status that is another one: several events may come between two looks, and each wakes. */
async function nextOther(states: AsyncGenerator<Job>, than: string): Promise<string | undefined> {
  for (;;) {
    const step = await states.next();
    if (step.done === true) return undefined;
    if (step.value.status !== than) return step.value.status;
  }
}

describe('watching a job', () => {
  test('gives the present state first, then each change', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    const states = core.watchers.watch(viewer, job.id);
    expect((await states.next()).value?.status).toBe('PENDING');
    const { lease } = await claim(core, viewer);
    await feedOn(job.id, 'CLAIMED');
    expect(await nextOther(states, 'PENDING')).toBe('RUNNING');
    await finishAttempt(core, viewer, lease, endings.completed);
    await feedOn(job.id, 'COMPLETED');
    expect(await nextOther(states, 'RUNNING')).toBe('COMPLETED');
    await states.return();
  });

  test('a slow reader skips states, never the last, and what waits for it is one wake-up', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    const states = core.watchers.watch(viewer, job.id);
    await states.next();
    const { lease } = await claim(core, viewer);
    for (let index = 0; index < 20; index++) {
      await heartbeat(core, viewer, lease, { progress: { fraction: index / 20, message: null, metrics: null } });
    }
    await cancelJob(core, viewer, job.id);
    await feedOn(job.id, 'CANCELED');
    expect((await states.next()).value?.status).toBe('CANCELED');
    let more = false;
    const next = states.next().then((step) => (more = step.done !== true));
    await core.feed.runOnce();
    await states.return();
    await next;
    expect(more).toBe(false);
  });

  test('ends at once when its reader leaves, also while nothing happens', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    const states = core.watchers.watch(viewer, job.id);
    await states.next();
    const waiting = states.next();
    await states.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test('another account’s job is not found', async () => {
    const [owner, stranger] = [await account(), await account()];
    const job = await submit(core, owner.viewer);
    await expect(core.watchers.watch(stranger.viewer, job.id).next()).rejects.toThrow('There is no job');
  });
});
