import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { createFitting } from '../../../core/events/fitting.ts';
import { createOrm } from '../../../db/orm.ts';
import { openTestCore } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore();
/** Waits for locks for as long as a test holds them: who gives up by itself would pass for one that was made to. */
const orm = await createOrm({ url: database.url, migrating: { lockTimeoutMs: 60_000 } });
const patient = { ...core, em: orm.em };
afterAll(async () => {
  await orm.close();
  await close();
});

const never = new AbortController().signal;
const CANCELED = '57014';

/** Ids of no job. */
const madeUp = (count: number) => Array.from({ length: count }, () => randomUUID());

/** Nobody can look at jobs until it is let go. */
async function lockJobs() {
  const lock = new pg.Client(database.url);
  await lock.connect();
  onTestFinished(() => lock.end());
  await lock.query('begin; lock table jobs in access exclusive mode');
  return { release: () => lock.query('rollback') };
}

const held = async () =>
  database.query("select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'");

test('all who ask the same at once share one look, and all together use one connection', async () => {
  const [mine, theirs] = [await account(), await account()];
  const a = await submit(core, mine.viewer, { labels: { team: 'a' } });
  const b = await submit(core, mine.viewer, { labels: { team: 'b' } });
  const other = await submit(core, theirs.viewer, { labels: { team: 'a' } });
  const ids = [a.id, b.id, other.id];
  const fitting = createFitting(patient);
  const lock = await lockJobs();
  const looks = vi.spyOn(patient.em, 'fork');
  onTestFinished(() => looks.mockRestore());
  const first = fitting.jobsThatFit(mine.viewer, { labels: { team: 'a' } }, [a.id], never);
  await until('the first look', async () => (await held()).length === 1);
  // Those who ask meanwhile: the same of other jobs, something else, and the same in another account.
  const same = ids.map((id) => fitting.jobsThatFit(mine.viewer, { labels: { team: 'a' }, ids: [id] }, [id], never));
  const others = ids.map((id) => fitting.jobsThatFit(mine.viewer, { status: ['PENDING'] }, [id], never));
  const stranger = fitting.jobsThatFit(theirs.viewer, { labels: { team: 'a' } }, ids, never);
  expect(await held()).toHaveLength(1);
  await lock.release();
  expect(await first).toEqual(new Set([a.id]));
  for (const answer of same) expect(await answer).toEqual(new Set([a.id]));
  for (const answer of others) expect(await answer).toEqual(new Set([a.id, b.id]));
  expect(await stranger).toEqual(new Set([other.id]));
  expect(looks).toHaveBeenCalledTimes(4);
});

test('what goes wrong is told to who asked, and the next are answered', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  const fitting = createFitting(patient);
  const lock = await lockJobs();
  const broken = [0, 1].map(() => fitting.jobsThatFit(viewer, { status: ['PENDING'] }, [id], never));
  const told = Promise.allSettled(broken);
  const [look] = await until('the look', async () => {
    const rows = await database.query<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    return rows.length > 0 && rows;
  });
  const next = fitting.jobsThatFit(viewer, { status: ['PENDING'] }, [id], never);
  await database.query('select pg_cancel_backend($1)', [look!.pid]);
  const refusals = (await told).map((one) => (one.status === 'rejected' ? (one.reason as unknown) : one));
  expect(refusals).toMatchObject([{ code: CANCELED }, { code: CANCELED }]);
  await lock.release();
  expect(await next).toEqual(new Set([id]));
});

test('more jobs than one statement looks at are looked at one after another', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  const found = createFitting(core).jobsThatFit(viewer, { status: ['PENDING'] }, [...madeUp(2_500), id], never);
  expect(await found).toEqual(new Set([id]));
});

test('accounts take turns: one is answered while another asks many things, or one thing of many jobs', async () => {
  const [flood, quiet] = [await account(), await account()];
  const { id } = await submit(core, quiet.viewer);
  const fitting = createFitting(core);
  let drained = 0;
  const flooding = Array.from({ length: 20 }, async (_, n) => {
    const [filter, ids] = n % 2 === 0 ? [{ machineId: `machine-${n}` }, madeUp(1)] : [{}, madeUp(600)];
    await fitting.jobsThatFit(flood.viewer, { status: ['PENDING'], ...filter }, ids, never);
    drained += 1;
  });
  const found = await fitting.jobsThatFit(quiet.viewer, { status: ['PENDING'] }, [id], never);
  expect(found).toEqual(new Set([id]));
  expect(drained).toBeLessThan(5);
  await Promise.all(flooding);
});

test('who is gone is told so at once, and nothing is looked at for them', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  const fitting = createFitting(patient);
  const lock = await lockJobs();
  const looks = vi.spyOn(patient.em, 'fork');
  onTestFinished(() => looks.mockRestore());
  const leaving = new AbortController();
  const gone = () => fitting.jobsThatFit(viewer, { machineId: 'machine' }, [id], leaving.signal);
  const first = fitting.jobsThatFit(viewer, { status: ['PENDING'] }, [id], never);
  await until('the first look', async () => (await held()).length === 1);
  const left = expect(gone()).rejects.toThrow('has left');
  const stays = fitting.jobsThatFit(viewer, { status: ['PENDING'] }, [id], never);
  leaving.abort(new Error('The follower has left'));
  await left;
  await expect(gone()).rejects.toThrow('has left');
  await lock.release();
  expect([await first, await stays]).toEqual([new Set([id]), new Set([id])]);
  expect(looks).toHaveBeenCalledTimes(2);
});
