import pg from 'pg';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { createFitting } from '../../../core/events/fitting.ts';
import { openTestCore } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

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
  const fitting = createFitting(core);
  const lock = await lockJobs();
  const looks = vi.spyOn(core.em, 'fork');
  onTestFinished(() => looks.mockRestore());
  const first = fitting.jobsThatFit(mine.viewer, { labels: { team: 'a' } }, [a.id]);
  await until('the first look', async () => (await held()).length === 1);
  // Those who ask meanwhile: the same of other jobs, something else, and the same in another account.
  const same = ids.map((id) => fitting.jobsThatFit(mine.viewer, { labels: { team: 'a' }, ids: [id] }, [id]));
  const others = ids.map((id) => fitting.jobsThatFit(mine.viewer, { status: ['PENDING'] }, [id]));
  const stranger = fitting.jobsThatFit(theirs.viewer, { labels: { team: 'a' } }, ids);
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
  const fitting = createFitting(core);
  const lock = await lockJobs();
  const broken = [0, 1].map(() => fitting.jobsThatFit(viewer, { status: ['PENDING'] }, [id]));
  const told = Promise.allSettled(broken);
  const [look] = await until('the look', async () => {
    const rows = await database.query<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    return rows.length > 0 && rows;
  });
  const next = fitting.jobsThatFit(viewer, { status: ['PENDING'] }, [id]);
  await database.query('select pg_cancel_backend($1)', [look!.pid]);
  expect((await told).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await lock.release();
  expect(await next).toEqual(new Set([id]));
});

test('more jobs than one statement looks at are looked at one after another', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  const many = Array.from({ length: 2_500 }, (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);
  expect(await createFitting(core).jobsThatFit(viewer, { status: ['PENDING'] }, [...many, id])).toEqual(new Set([id]));
});
