import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { authenticate, type Viewer } from '../../../core/accounts/keys.ts';
import type { FeedStep } from '../../../core/events/account-feed.ts';
import { eventsThatFit, feedHead, readEvents } from '../../../core/events/page.ts';
import type { Position } from '../../../core/events/position.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import type { JobFilter } from '../../../core/jobs/find.ts';
import { purgeJobs } from '../../../core/jobs/purge.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { openTestCore, spec, ADMIN_KEY } from '../../support/core.ts';
import { claim, submit } from '../../support/jobs.ts';
import { allToBeSettled } from '../../support/settled.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore();
const followed: { return: () => Promise<unknown> }[] = [];
afterAll(async () => {
  await Promise.all(followed.map((steps) => steps.return()));
  await close();
});

// Else a follower who begins now would be told what the tests before have left.
beforeEach(() => allToBeSettled(database));

/** Reads a feed on its own, as fast as it comes, until told to hold. */
async function follow(viewer: Viewer, wish: { after?: Position; filter?: JobFilter } = {}) {
  const { start, steps } = await core.accountFeed.follow(viewer, {
    after: wish.after,
    filter: wish.filter ?? {},
  });
  followed.push(steps);
  const told: FeedStep[] = [];
  let ended = false;
  const reading = (async () => {
    for await (const step of steps) told.push(step);
    ended = true;
  })();
  const events = () => told.flatMap((step) => (step.type === 'EVENT' ? [step.event] : []));
  return { start, steps, told, events, reading, ended: () => ended };
}

/**
 * Lets the server's one reader run until the condition holds: what a page shows is what is settled, and a transaction that somebody else
 * has open, in whatever database of the cluster, holds up the rest until the feed is read again.
 */
async function feedUntil(what: string, holds: () => boolean): Promise<void> {
  await until(what, async () => {
    await core.feed.runOnce();
    return holds();
  });
}

async function idsInOrder(accountId: string): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    'select id from job_events where account_id = $1 order by xid, id',
    [accountId],
  );
  return rows.map(({ id }) => id);
}

async function burst(viewer: Viewer, jobs: number, part: object = {}): Promise<void> {
  for (let left = jobs; left > 0; left -= 1_000) {
    await submitJobs(
      core,
      viewer,
      Array.from({ length: Math.min(left, 1_000) }, () => spec(part)),
    );
  }
}

describe('an account’s feed', () => {
  test('from the beginning, it tells everything there is, then everything that follows, each once and in order', async () => {
    const { viewer } = await account();
    await burst(viewer, 1_200);
    const reader = await follow(viewer, { after: { xid: '0', id: '0' } });
    await feedUntil('what there was', () => reader.events().length === 1_200);
    await burst(viewer, 300);
    await feedUntil('what follows', () => reader.events().length >= 1_500);
    expect(reader.events().map(({ id }) => id)).toEqual(await idsInOrder(viewer.accountId));
  });

  test('without a place it begins now', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    await feedUntil('quiet', () => true);
    await allToBeSettled(database);
    const head = await feedHead(core);
    expect(BigInt(head.xid)).toBeGreaterThan(0n);
    const reader = await follow(viewer);
    const job = await submit(core, viewer);
    await feedUntil('the job', () => reader.events().length > 0);
    expect(reader.events().map(({ jobId }) => jobId)).toEqual([job.id]);
  });

  test('can be resumed after any event', async () => {
    const { viewer } = await account();
    await burst(viewer, 40);
    const all = await idsInOrder(viewer.accountId);
    const first = await follow(viewer, { after: { xid: '0', id: '0' } });
    await feedUntil('all', () => first.events().length === 40);
    for (const index of [0, 17, 39]) {
      const { xid, id } = first.events()[index]!;
      const again = await follow(viewer, { after: { xid, id } });
      await feedUntil('the rest', () => again.events().length === 39 - index);
      expect(again.events().map((event) => event.id)).toEqual(all.slice(index + 1));
    }
  });

  test('shows nothing of another account, and the admin everybody’s', async () => {
    const [one, other] = [await account(), await account()];
    const admin = (await authenticate(core, ADMIN_KEY))!;
    const [ofOne, ofAdmin] = [await follow(one.viewer), await follow(admin)];
    const [mine, theirs] = [await submit(core, one.viewer), await submit(core, other.viewer)];
    await feedUntil('both', () => ofAdmin.events().length >= 2 && ofOne.events().length >= 1);
    expect(ofOne.events().map(({ jobId }) => jobId)).toEqual([mine.id]);
    expect(ofAdmin.events().map(({ jobId }) => jobId)).toEqual([mine.id, theirs.id]);
  });

  test('a key that may not read is refused', async () => {
    const { viewer } = await account('AGENT');
    await expect(core.accountFeed.follow(viewer, { after: undefined, filter: {} })).rejects.toThrow('may read');
  });

  test('by a filter, only events of jobs that fit, live as well as from the past; the rest is passed', async () => {
    const { viewer } = await account();
    const live = await follow(viewer, { filter: { labels: { team: 'a' } } });
    const group = await follow(viewer, { filter: { containerGroupId: 'other' } });
    const a = await submit(core, viewer, { labels: { team: 'a' } });
    const b = await submit(core, viewer, { labels: { team: 'b' }, containerGroupId: 'other' });
    await cancelJob(core, viewer, a.id);
    await cancelJob(core, viewer, b.id);
    await feedUntil('what fits', () => live.events().length >= 2 && group.events().length >= 2);
    await feedUntil('the last to be passed', () => live.told.at(-1)?.type === 'PASSED');
    expect(live.events().map(({ jobId, type }) => [jobId, type])).toEqual([
      [a.id, 'SUBMITTED'],
      [a.id, 'CANCELED'],
    ]);
    expect(group.events().map(({ jobId }) => jobId)).toEqual([b.id, b.id]);
    const past = await follow(viewer, { after: live.start, filter: { status: ['CANCELED'], labels: { team: 'a' } } });
    await feedUntil('the past', () => past.events().length === 2);
    expect(past.events()).toEqual(live.events());
  });

  test('by a filter, the removal of a job that fitted is told; of one that did not, not', async () => {
    const { viewer } = await account();
    const labels = { team: 'a', constructor: 'own' };
    const feeds = await Promise.all(
      [{ labels }, { labels: { team: 'a' }, status: ['PENDING' as const] }, { status: ['RUNNING' as const] }].map(
        (filter) => follow(viewer, { filter }),
      ),
    );
    const everything = await follow(viewer);
    const a = await submit(core, viewer, { labels, containerGroupId: 'doomed' });
    await submit(core, viewer, { labels: { team: 'a' }, containerGroupId: 'doomed' });
    await submit(core, viewer, { containerGroupId: 'doomed' });
    await purgeJobs(core, viewer, 'doomed');
    const removals = ({ events }: (typeof feeds)[number]) => events().filter(({ type }) => type === 'PURGED');
    const last = await submit(core, viewer);
    await feedUntil('the last event', () => everything.events().at(-1)?.jobId === last.id);
    const { id } = everything.events().at(-1) ?? {};
    await feedUntil('the last to be passed', () =>
      feeds.every(({ told }) => told.some((step) => step.type === 'PASSED' && step.at.id === id)),
    );
    expect(feeds.map((feed) => removals(feed).length)).toEqual([1, 2, 0]);
    expect(feeds.flatMap((feed) => removals(feed).slice(0, 1)).map(({ jobId }) => jobId)).toEqual([a.id, a.id]);
  });

  test('of a removal nobody is told whose filter it does not fit, or not for sure, whichever part of a filter that is', async () => {
    const { viewer } = await account();
    // A part that is new has to be given here too.
    const others: Record<keyof JobFilter, JobFilter> = {
      status: { status: ['FAILED'] },
      containerGroupId: { containerGroupId: 'another' },
      machineId: { machineId: 'another' },
      labels: { labels: { team: 'another' } },
      ids: { ids: [randomUUID()] },
      // It was called that, but it is not known of what is gone.
      search: { search: ['true'] },
    };
    await submit(core, viewer, { containerGroupId: 'gone' });
    await purgeJobs(core, viewer, 'gone');
    const events = await until('the removal to be settled', async () => {
      const page = await readEvents(core, viewer, { xid: '0', id: '0' }, 10);
      return page.events.some(({ type }) => type === 'PURGED') && page.events;
    });
    expect(await eventsThatFit(core, viewer, { status: ['PENDING'], search: undefined }, events)).not.toEqual([]);
    for (const filter of Object.values(others)) {
      expect(await eventsThatFit(core, viewer, filter, events), JSON.stringify(filter)).toEqual([]);
    }
  });

  test('a reader that does not read is held up by nobody, holds nobody up, and misses nothing', async () => {
    const { viewer } = await account();
    const { steps } = await core.accountFeed.follow(viewer, { after: undefined, filter: {} });
    followed.push(steps);
    await burst(viewer, 1);
    let first: FeedStep | undefined;
    const asked = steps.next().then((step) => (first = step.value ?? undefined));
    await feedUntil('the first event', () => first !== undefined);
    await asked;
    // Several times what the inbox holds.
    await burst(viewer, 3_500);
    const quick = await follow(viewer, { after: { xid: '0', id: '0' } });
    await feedUntil('a quick reader to have all', () => quick.events().length === 3_501);
    const slow = [first!];
    while (slow.length < 3_501) slow.push((await steps.next()).value!);
    const ids = slow.map((step) => (step.type === 'EVENT' ? step.event.id : step.type));
    expect(ids).toEqual(await idsInOrder(viewer.accountId));
  });

  test('tells that events were removed, from where the rest begins, and the rest', async () => {
    const { viewer } = await account();
    const start = await feedHead(core);
    await burst(viewer, 10);
    const reader = await follow(viewer, { after: start });
    await feedUntil('all', () => reader.events().length === 10);
    const last = reader.events()[5]!;
    await database.query(
      `with gone as (delete from job_events where account_id = $1 and (xid, id) <= ($2, $3))
       update event_horizon set xid = $2, event_id = $3`,
      [viewer.accountId, last.xid, last.id],
    );
    const oldest = { xid: last.xid, id: last.id };
    const late = await follow(viewer, { after: start });
    await feedUntil('the rest', () => late.events().length === 4);
    expect(late.told[0]).toEqual({ type: 'GAP', oldest });
    expect(late.told.slice(1).map(({ type }) => type)).toEqual(Array.from({ length: 4 }, () => 'EVENT'));
    const inTime = await follow(viewer, { after: oldest });
    await feedUntil('the rest', () => inTime.events().length === 4);
    expect(inTime.told.map(({ type }) => type)).not.toContain('GAP');
  });

  test('ends when the key is revoked, also for a reader that has not read what was there', async () => {
    const { viewer } = await account();
    const other = await account();
    const after = await feedHead(core);
    await burst(viewer, 5);
    const live = await follow(viewer);
    const stays = await follow(other.viewer);
    const { steps } = await core.accountFeed.follow(viewer, { after, filter: {} });
    await until(
      'the events to be settled',
      async () => (await readEvents(core, viewer, after, 10)).events.length === 5,
    );
    expect((await steps.next()).value?.type).toBe('EVENT');
    expect(await core.keyWatch.runOnce()).toEqual({ ended: 0 });
    await database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    expect(await core.keyWatch.runOnce()).toEqual({ ended: 1 });
    await live.reading;
    expect((await steps.next()).done).toBe(true);
    expect(stays.ended()).toBe(false);
  });

  test('a reader that leaves is forgotten, also while nothing happens', async () => {
    const { viewer } = await account();
    const reader = await follow(viewer);
    await submit(core, viewer);
    await feedUntil('an event', () => reader.events().length === 1);
    await reader.steps.return();
    await reader.reading;
    const { lease } = await claim(core, viewer);
    await heartbeat(core, viewer, lease, { phase: 'RUNNING' });
    await core.feed.runOnce();
    expect(reader.events()).toHaveLength(1);
    await database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    expect(await core.keyWatch.runOnce()).toEqual({ ended: 0 });
  });
});
