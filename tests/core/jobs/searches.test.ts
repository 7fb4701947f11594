import pg from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { asAsker } from '../../../core/fair-share.ts';
import { expectedFailure } from '../../../core/expected.ts';
import { cancelJobs } from '../../../core/jobs/cancel.ts';
import { countJobs, jobsThatFit, listJobs, MOST_FOUND } from '../../../core/jobs/find.ts';
import { createSearches } from '../../../core/jobs/searches.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { listScalingRules } from '../../../core/scaling/rules.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { outcomes, submit } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const fixture = await openTestCore({ maxConnections: 3 });
const { core, database } = fixture;
afterAll(() => fixture.close());

const page = { limit: 10, ascending: true };

/** Turns that are taken for as long as the test wants, each named by its account. */
function holders(searches = createSearches({ waitMs: 60_000 })) {
  const running: string[] = [];
  const ends: (() => void)[] = [];
  const hold = (accountId: string) =>
    searches.hold(accountId, async () => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      running.push(accountId);
      ends.push(() => resolve(undefined));
      await promise;
    });
  return { running, hold, endNext: () => ends.shift()?.() };
}

describe('turns', () => {
  test('are two at once, of one account one, in the order of asking', async () => {
    const { running, hold, endNext } = holders();
    const all = ['a', 'a', 'a', 'b', 'c'].map(hold);
    for (const expected of ['a,b', 'a,b,c', 'a,b,c,a']) {
      await until(`${expected} to run`, () => running.join().length >= expected.length);
      expect(running.join()).toBe(expected);
      endNext();
    }
    // What is left of it is the last turn of a.
    endNext();
    await until('the last to run', () => running.length === 5);
    endNext();
    await Promise.all(all);
  });

  test('are not waited for without end, and are free again after who gave up and who failed', async () => {
    const searches = createSearches({ waitMs: 20 });
    const { hold, endNext } = holders(searches);
    const first = hold('a');
    expect(await outcomes([hold('a')])).toEqual(['RATE_LIMITED']);
    const other = hold('b');
    expect(await outcomes([hold('c')])).toEqual(['RATE_LIMITED']);
    endNext();
    endNext();
    await Promise.all([first, other]);
    await expect(searches.hold('a', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await searches.hold('a', () => Promise.resolve('well'))).toBe('well');
  });
});

describe('a search', () => {
  test('leaves connections to others, however many are asked for at once', async () => {
    const asked = await Promise.all(Array.from({ length: 4 }, () => fixture.account()));
    await using gate = await locked();
    const searching = asked.flatMap(({ viewer }) =>
      [1, 2, 3].map(() => listJobs(core, viewer, { search: ['x'] }, page)),
    );
    const ended = Promise.allSettled(searching);
    await searchesHeld(1);
    await core.em.fork().execute('select 1');
    await gate.release();
    await ended;
  });

  test('that has its turn waits for nothing else that its account asks for, and costs others no turn', async () => {
    const [busy, other] = await Promise.all([fixture.account(), fixture.account()]);
    const as = <Result>({ accountId, keyId }: Viewer, run: () => Result) => asAsker({ accountId, keyId }, run);
    await using gate = await locked('lock table scaling_rules in access exclusive mode');
    // Of three connections those who ask have two, and an account one.
    const rules = [1, 2, 3].map(() => as(busy.viewer, () => listScalingRules(core, busy.viewer)));
    let over = 0;
    const ended = Promise.allSettled(rules.map((asked) => asked.finally(() => (over += 1))));
    for (const { viewer } of [busy, other]) {
      const found = as(viewer, () => listJobs(core, viewer, { search: ['x'] }, page));
      expect((await found).jobs).toEqual([]);
    }
    // One after the other waits for its rules as long as it may wait for a lock.
    expect(over).toBeLessThan(rules.length);
    await gate.release();
    await ended;
  });

  test('that takes too long is refused with what to do, and the next statement has the usual time', async () => {
    const { viewer } = await fixture.account();
    const long = spec({ arguments: ['x'.repeat(100_000), 'x'.repeat(100_000)] });
    await submitJobs(core, viewer, Array<typeof long>(100).fill(long));
    const hasty = { ...core, searches: createSearches({ timeMs: 1 }) };
    const filter = { search: ['y'] };
    const refused = { code: 'INVALID_INPUT', issues: [{ path: ['filter', 'search'] }] };
    await expect(listJobs(hasty, viewer, filter, page)).rejects.toMatchObject(refused);
    await expect(countJobs(hasty, viewer, filter)).rejects.toMatchObject(refused);
    await expect(cancelJobs(hasty, viewer, filter)).rejects.toMatchObject(refused);
    const times = await core.searches.hold(viewer.accountId, (inTime) =>
      core.em.fork().transactional(async (em) => {
        const shown = () => em.execute<{ statement_timeout: string }[]>('show statement_timeout');
        return [...(await shown()), ...(await inTime(em, shown)), ...(await shown())];
      }),
    );
    expect(times.map((row) => row.statement_timeout)).toEqual(['15s', '3s', '15s']);
  });

  test('that waits for a row which somebody holds has not taken too long', async () => {
    const { viewer } = await fixture.account();
    const { id } = await submit(core, viewer, { name: 'held' });
    const hasty = { ...core, searches: createSearches({ timeMs: 300 }) };
    await using row = await locked(`select from jobs where id = '${id}' for update`);
    const heldUp = await cancelJobs(hasty, viewer, { search: ['held'] }).catch((error: unknown) => error);
    expect(String(heldUp)).toContain('lock timeout');
    // To whoever asked it is no fault of ours.
    expect(expectedFailure(heldUp)).toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 1 });
    await row.release();
    expect(await cancelJobs(core, viewer, { search: ['held'] })).toBe(1);
  });

  test('of who follows a feed waits for its turn for as long as it takes', async () => {
    const { viewer } = await fixture.account();
    const jobs = await submitJobs(core, viewer, Array<ReturnType<typeof spec>>(11).fill(spec({ name: 'fits' })));
    const impatient = { ...core, searches: createSearches({ waitMs: 1 }) };
    const { running, hold, endNext } = holders(impatient.searches);
    const held = hold(viewer.accountId);
    await until('a turn to be taken', () => running.length === 1);
    const ids = jobs.map(({ id }) => id);
    const fitting = jobsThatFit(impatient, viewer, { search: ['fits'] }, ids);
    await expect(listJobs(impatient, viewer, { search: ['fits'] }, page)).rejects.toMatchObject({
      code: 'RATE_LIMITED',
    });
    endNext();
    await held;
    expect(await fitting).toEqual(new Set(ids));
  });

  test('is cancelled, or no longer waited for, when nobody waits for its answer', async () => {
    const { viewer } = await fixture.account();
    await using gate = await locked();
    const patient = { ...core, searches: createSearches({ timeMs: 120_000, waitMs: 60_000 }) };
    const running = new AbortController();
    const waiting = new AbortController();
    const first = listJobs(patient, viewer, { search: ['x'] }, page, running.signal);
    first.catch(() => undefined);
    await searchesHeld(1);
    const second = countJobs(patient, viewer, { search: ['x'] }, waiting.signal);
    waiting.abort(new Error('gone away'));
    await expect(second).rejects.toThrow('gone away');
    running.abort(new Error('hung up'));
    await expect(first).rejects.toThrow('hung up');
    await searchesHeld(0);
    await gate.release();
    expect((await listJobs(core, viewer, { search: ['x'] }, page)).jobs).toEqual([]);
  });

  test('of a few named jobs waits for nobody', async () => {
    const { viewer } = await fixture.account();
    const { id } = await submit(core, viewer, { name: 'one' });
    const { hold, endNext } = holders(core.searches);
    const held = hold(viewer.accountId);
    const { jobs } = await listJobs(core, viewer, { search: ['one'], ids: [id] }, page);
    expect(jobs.map((job) => job.id)).toEqual([id]);
    endNext();
    await held;
  });

  test('looks at the beginning of long arguments, for ten words, by lists, counts and cancels alike', async () => {
    const { viewer } = await fixture.account();
    const words = Array.from({ length: 10 }, (_, index) => `word-${index}`);
    const filler = 'a'.repeat(100_000);
    await submitJobs(core, viewer, [
      ...Array.from({ length: 20 }, () => spec({ arguments: [...words, filler, filler] })),
      spec({ arguments: [filler, ...words] }),
    ]);
    const search = words.map((word) => word.toUpperCase());
    expect(await countJobs(core, viewer, { search })).toBe(20);
    expect((await listJobs(core, viewer, { search }, { ...page, limit: 100 })).jobs.length).toBe(20);
    expect(await countJobs(core, viewer, { search: [`${'a'.repeat(100)}b`] })).toBe(0);
    expect(await cancelJobs(core, viewer, { search })).toBe(20);
  });

  test('counts no further than it must', async () => {
    const { viewer } = await fixture.account();
    const { id } = await submit(core, viewer, { name: 'many' });
    const columns = `account_id, api_key_id, name, command, arguments, environment, container_group_id, labels,
      max_failures, heartbeat_interval`;
    await database.query(
      `insert into jobs (${columns}) select ${columns} from jobs, generate_series(1, $2) where id = $1`,
      [id, MOST_FOUND],
    );
    expect(await countJobs(core, viewer, { search: ['many'] })).toBe(MOST_FOUND);
    expect(await countJobs(core, viewer, {})).toBe(MOST_FOUND + 1);
  });
});

async function searchesHeld(number: number): Promise<void> {
  await until(`${number} searches to be held up`, async () => {
    const held =
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%ilike all%'";
    return (await database.query(held)).length === number;
  });
}

/** Whoever asks for jobs meanwhile waits. */
async function locked(lock = 'lock table jobs in access exclusive mode') {
  const client = new pg.Client(database.url);
  await client.connect();
  await client.query(`begin; ${lock}`);
  let isHeld = true;
  const release = async () => {
    if (isHeld) await client.end();
    isHeld = false;
  };
  return { release, [Symbol.asyncDispose]: release };
}
