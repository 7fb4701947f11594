import { afterAll, describe, expect, test } from 'vitest';
import { findJob, newestAttempts } from '../../../core/jobs/find.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { secondsLeftOf } from '../../../core/leases/time-left.ts';
import type { Attempt } from '../../../db/entities/attempt.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, eventTypes, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

async function working() {
  const { viewer } = await account();
  const submitted = await submit(core, viewer);
  const { lease } = await claim(core, viewer);
  return {
    id: submitted.id,
    tell: (fraction: number | null, message: string | null = null) =>
      heartbeat(core, viewer, lease, { progress: { fraction, message, metrics: null } }),
    attempt: async (): Promise<Attempt> => {
      const attempt = (await newestAttempts(core, [await findJob(core, viewer, submitted.id)])).get(submitted.id);
      if (attempt === undefined) throw new Error('Expected an attempt');
      return attempt;
    },
    /** Makes what was told so far so many seconds older. */
    age: (seconds: number) =>
      database.query(
        `update attempts a
         set progress_due_at = progress_due_at - make_interval(secs => $2::float8),
             progress_trace = (select jsonb_agg(jsonb_build_array((point ->> 0)::float8 - $2::float8, point -> 1) order by n)
                               from jsonb_array_elements(progress_trace) with ordinality each (point, n))
         where job_id = $1`,
        [submitted.id, seconds],
      ),
  };
}

const progressed = async (id: string) =>
  (await eventTypes(database, id)).filter((type) => type === 'PROGRESSED').length;

describe('progress', () => {
  test('that is told again and again is an event once a second, and its last word is kept all the same', async () => {
    const { id, tell, attempt } = await working();
    const began = performance.now();
    for (let step = 1; step <= 40; step++) await tell(step / 100, `step ${step}`);
    const seconds = (performance.now() - began) / 1_000;
    expect(await progressed(id)).toBeLessThanOrEqual(2 + seconds);
    expect((await attempt()).progress).toMatchObject({ fraction: 0.4, message: 'step 40' });
  });

  test('that comes a little early, because of the way it takes, is an event', async () => {
    const { id, tell, age } = await working();
    await tell(0.1);
    await age(0.9);
    await tell(0.2);
    expect(await progressed(id)).toBe(2);
  });

  test('leaves a trace of at most 32 points, ten seconds apart, that begins anew when the fraction falls', async () => {
    const { tell, age, attempt } = await working();
    for (let step = 1; step <= 40; step++) {
      await tell(step / 100);
      await age(10);
    }
    const { progressTrace: whole } = await attempt();
    expect(whole).toHaveLength(32);
    expect(whole?.at(-1)?.[1]).toBe(0.4);
    await tell(0.41);
    await tell(0.42);
    expect((await attempt()).progressTrace?.at(-1)?.[1]).toBe(0.41);
    await tell(null, 'no fraction');
    expect((await attempt()).progressTrace?.at(-1)?.[1]).toBe(0.41);
    await tell(0.05);
    expect((await attempt()).progressTrace?.map(([, fraction]) => fraction)).toEqual([0.05]);
  });

  test('tells the time left of a living attempt', async () => {
    const { id, tell, age, attempt } = await working();
    await tell(0.1);
    await age(100);
    await tell(0.2);
    expect(secondsLeftOf(await attempt(), new Date())).toBeGreaterThan(780);
    expect(secondsLeftOf(await attempt(), new Date())).toBeLessThan(820);
    await database.query(`update attempts set outcome = 'LOST' where job_id = $1`, [id]);
    expect(secondsLeftOf(await attempt(), new Date())).toBeNull();
  });
});
