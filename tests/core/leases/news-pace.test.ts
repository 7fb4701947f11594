import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { createNewsPace } from '../../../core/leases/news-pace.ts';
import { heartbeat, type Pulse } from '../../../core/leases/renew.ts';
import { openTestCore } from '../../support/core.ts';
import { disagreements } from '../../support/history.ts';
import { claim, submit } from '../../support/jobs.ts';

/** Nothing becomes due while a test runs, however long that takes: so many pass, fewer than may wait at once, and not one more. */
const MOST = 5;
const NEVER = { everyMs: 3_600_000, longestWaitMs: 0 };
const { core, database, account, close } = await openTestCore({ maxConnections: 20, news: { ...NEVER, burst: MOST } });
afterAll(close);

const events = (id: string, type: string) =>
  database.query<{ data: Record<string, unknown> }>(
    'select data from job_events where job_id = $1 and type = $2 order by seq',
    [id, type],
  );

/** More at once than may become events, each with another word. @returns how many were acknowledged */
async function flood(
  pulseOf: (n: number) => Pulse,
): Promise<{ id: string; acknowledged: Pulse[]; refused: unknown[] }> {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  const { lease } = await claim(core, viewer);
  const pulses = Array.from({ length: 60 }, (_, n) => pulseOf(n));
  const told = await Promise.allSettled(pulses.map((pulse) => heartbeat(core, viewer, lease, pulse)));
  const refused = told.filter((one) => one.status === 'rejected').map(({ reason }): unknown => reason);
  const acknowledged = pulses.filter((_, n) => told[n]?.status === 'fulfilled');
  // Its lease is whole all the same, and it may say what it likes in time.
  await heartbeat(core, viewer, lease);
  return { id, acknowledged, refused };
}

test('of ever new warnings some become events, the others are refused, and what was acknowledged is told', async () => {
  const { id, acknowledged, refused } = await flood((n) => ({ warning: `warning ${n}` }));
  expect(refused).toHaveLength(60 - MOST);
  for (const reason of refused) expect(reason).toMatchObject({ code: 'RATE_LIMITED' });
  const told = (await events(id, 'WARNED')).map(({ data }) => String(data['message']));
  expect(told.toSorted()).toEqual(acknowledged.map(({ warning }) => String(warning)).toSorted());
  const [row] = await database.query('select warning from attempts where job_id = $1', [id]);
  expect(row).toEqual({ warning: told.at(-1) });
  expect(await disagreements(database)).toEqual([]);
});

test('checkpoints without end are counted once each, and no more events than there may be', async () => {
  const { id, acknowledged } = await flood((n) => ({
    checkpoints: { files: n + 1, bytes: String(n + 1), newestKeys: [randomUUID()] },
  }));
  const saved = await events(id, 'CHECKPOINT_SAVED');
  expect(saved.length).toBeLessThanOrEqual(MOST);
  const files = saved.map(({ data }) => Number(data['files'])).reduce((sum, each) => sum + each, 0);
  expect(files).toBe(Math.max(...acknowledged.map(({ checkpoints }) => checkpoints?.files ?? 0)));
});

const PHASES = ['RUNNING', 'UPLOADING', 'DOWNLOADING'] as const;

test('phases that come and go, at once and with progress, become no more events than there may be', async () => {
  const progress = { fraction: 0.5, message: null, metrics: null };
  // Which of them find another phase than their own, and so are news, is up to their order.
  const { id } = await flood((n) => ({ phase: PHASES[n % 3], progress }));
  expect((await events(id, 'PHASE_CHANGED')).length).toBeLessThanOrEqual(MOST);
});

test('phases that come and go one after the other become as many events as there may be, and the next is refused', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  const { lease } = await claim(core, viewer);
  for (let n = 0; n < MOST; n += 1) await heartbeat(core, viewer, lease, { phase: PHASES[n % 3] });
  const next = heartbeat(core, viewer, lease, { phase: PHASES[MOST % 3] });
  await expect(next).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  expect(await events(id, 'PHASE_CHANGED')).toHaveLength(MOST);
});

test('whoever comes too soon waits for the rest, and other leases for nothing', async () => {
  const pace = createNewsPace({ everyMs: 50, burst: 2, longestWaitMs: 120 });
  const begun = performance.now();
  const since = async (lease: string) => pace(lease).then(() => performance.now() - begun);
  const [, , third, fourth] = await Promise.all([since('a'), since('a'), since('a'), since('a')]);
  expect(third).toBeGreaterThan(45);
  expect(fourth).toBeGreaterThan(95);
  await pace('b');
});

test('whoever would wait for too long is refused', async () => {
  const pace = createNewsPace({ ...NEVER, burst: 2 });
  const crowd = await Promise.allSettled(Array.from({ length: 50 }, () => pace('a')));
  expect(crowd.filter(({ status }) => status === 'rejected')).toHaveLength(48);
  await pace('b');
});
