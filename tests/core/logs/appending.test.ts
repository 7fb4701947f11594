import pg from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import type { LeaseRef } from '../../../core/leases/terms.ts';
import { appendLogs } from '../../../core/logs/append.ts';
import { openTestCore } from '../../support/core.ts';
import { claimMany, outcomes } from '../../support/jobs.ts';
import { append, said } from '../../support/logs.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
afterAll(close);

/** The texts of these leases' logs, and in how many transactions they were written. */
async function stored(of: readonly LeaseRef[]) {
  const rows = await database.query<{ job_id: string; xmin: string; content: [string, number, string][] }>(
    'select job_id, xmin::text, content from job_logs where job_id = any($1) order by position',
    [of.map(({ jobId }) => jobId)],
  );
  const textsOf = ({ jobId }: LeaseRef) =>
    rows.filter((row) => row.job_id === jobId).flatMap(({ content }) => content.map(([, , text]) => text));
  return { texts: of.map(textsOf), transactions: new Set(rows.map(({ xmin }) => xmin)).size };
}

describe('chunks of many logs that come at once', () => {
  test('are written at once, each into its own', async () => {
    const { viewer } = await account();
    const of = await claimMany(core, viewer, 12);
    const next = await Promise.all(of.map((lease, n) => append(core, viewer, lease, 0, `a ${n}`, `b ${n}`)));
    expect(next).toEqual(of.map(() => 2));
    // The first is alone, and the others wait for it.
    expect(await stored(of)).toEqual({ texts: of.map((_, n) => [`a ${n}`, `b ${n}`]), transactions: 2 });
  });

  test('are refused for who has lost its lease, or never had it, and for nobody else', async () => {
    const { viewer } = await account();
    const stranger = (await account()).viewer;
    const [first, gone, theirs, good] = await claimMany(core, viewer, 4);
    if (!first || !gone || !theirs || !good) throw new Error('Expected four leases');
    await cancelJob(core, viewer, gone.jobId);
    const tries = [
      append(core, viewer, first, 0, 'first'),
      append(core, viewer, gone, 0, 'gone'),
      append(core, stranger, theirs, 0, 'stranger'),
      append(core, viewer, theirs, 0, 'owner'),
      append(core, viewer, { ...good, attempt: 2 }, 0, 'never was'),
      append(core, viewer, good, 0, 'good'),
    ];
    expect(await outcomes(tries)).toEqual(['done', 'LEASE_LOST', 'LEASE_LOST', 'done', 'LEASE_LOST', 'done']);
    expect((await stored([first, gone, theirs, good])).texts).toEqual([['first'], [], ['owner'], ['good']]);
  });

  test('wait for nobody but themselves, where another holds their attempt', async () => {
    const { viewer } = await account();
    const [first, blocked, ...free] = await claimMany(core, viewer, 5);
    if (!first || !blocked) throw new Error('Expected five leases');
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from attempts where job_id = $1 for update', [blocked.jobId]);
    const others = [append(core, viewer, first, 0, 'first')];
    const waiting = append(core, viewer, blocked, 0, 'blocked');
    others.push(...free.map((lease) => append(core, viewer, lease, 0, 'free')));
    await Promise.all(others);
    expect((await stored([blocked])).texts).toEqual([[]]);
    await holder.query('commit');
    await holder.end();
    // On a machine that stood still for seconds it was told to ask again.
    await waiting.catch(() => append(core, viewer, blocked, 0, 'blocked'));
    expect((await stored([first, blocked, ...free])).texts).toEqual([
      ['first'],
      ['blocked'],
      ...free.map(() => ['free']),
    ]);
  });

  test('fail alone: one with a text that PostgreSQL refuses', async () => {
    const { viewer } = await account();
    const of = await claimMany(core, viewer, 6);
    const bad = of[3];
    const tries = of.map((lease, n) => append(core, viewer, lease, 0, lease === bad ? 'zero \0' : `line ${n}`));
    const settled = await Promise.allSettled(tries);
    expect(settled.map(({ status }) => status)).toEqual(of.map((lease) => (lease === bad ? 'rejected' : 'fulfilled')));
    expect((await stored(of)).texts).toEqual(of.map((lease, n) => (lease === bad ? [] : [`line ${n}`])));
  });

  test('of one attempt are stored in the order in which they came', async () => {
    const { viewer } = await account();
    const [lease] = await claimMany(core, viewer, 1);
    if (!lease) throw new Error('Expected a lease');
    const next = await Promise.all(
      [0, 1, 2, 3, 4].map((offset) => append(core, viewer, lease, offset, `line ${offset}`)),
    );
    expect(next).toEqual([1, 2, 3, 4, 5]);
    expect((await stored([lease])).texts).toEqual([[0, 1, 2, 3, 4].map((offset) => `line ${offset}`)]);
  });

  test('are no more in one transaction than half a MiB', async () => {
    const { viewer } = await account();
    const of = await claimMany(core, viewer, 9);
    const lines = said(...Array<string>(16).fill('x'.repeat(8_192)));
    await Promise.all(of.map((lease) => appendLogs(core, viewer, lease, { offset: 0, lines })));
    const { texts, transactions } = await stored(of);
    expect(texts.map((log) => log.length)).toEqual(of.map(() => 16));
    // One alone, then three at a time, each of somewhat more than an eighth of a MiB.
    expect(transactions).toBe(4);
  });
});
