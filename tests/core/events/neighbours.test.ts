import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createFeed } from '../../../core/events/feed.ts';
import { createNeighbours } from '../../../core/events/neighbours.ts';
import { feedHead, readEvents } from '../../../core/events/page.ts';
import { createOrm } from '../../../db/orm.ts';
import { openTestCore } from '../../support/core.ts';
import { createDatabase } from '../../support/database.ts';
import { submit } from '../../support/jobs.ts';
import { allToBeSettled } from '../../support/settled.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore();
const neighbour = await createDatabase({ empty: true });
const closing: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const end of closing) await end();
  await Promise.all([neighbour.drop(), close()]);
});
beforeEach(() => allToBeSettled(database));

/** A transaction that has an xid and stays open. */
async function begin(url: string): Promise<{ xid: string; end: () => Promise<unknown> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  closing.push(() => client.end());
  await client.query('begin');
  const { rows } = await client.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
  return { xid: rows[0]!.xid, end: () => client.query('rollback') };
}

const unexpected = (error: Error): never => {
  throw error;
};

/** A server's view, which looks at every turn. */
const watching = () => ({ ...core, neighbours: createNeighbours(core, { everyMs: 0, onError: unexpected }) });

/** What a role sees that has no right of its own: not to see what others do, nor to look at a table. */
async function unprivileged(options: { refusedMs?: number } = {}) {
  const role = `nobody_${randomUUID().replaceAll('-', '')}`;
  await database.query(`create role ${role} login password '${role}'`);
  const url = new URL(database.url);
  [url.username, url.password] = [role, role];
  const orm = await createOrm({ url: url.href, maxConnections: 1 });
  closing.push(async () => {
    await orm.close(true);
    await database.query(`drop role ${role}`);
  });
  const errors: Error[] = [];
  const neighbours = createNeighbours(orm, { everyMs: 0, ...options, onError: (error) => errors.push(error) });
  return { neighbours, role, errors };
}

/** A snapshot does not name what is younger than all that has ended. */
const somethingEnds = () => database.query('select pg_current_xact_id()');

describe('Rule 12: a transaction that stays open in another database', () => {
  test('holds up neither the feed nor its pages', async () => {
    const { viewer } = await account();
    const other = await begin(neighbour.url);
    const view = watching();
    const feed = createFeed(view);
    await feed.begin();
    const settled: string[] = [];
    feed.listenSettled(({ jobId }) => settled.push(jobId));
    const { id } = await submit(core, viewer);
    await until('the event to be settled', async () => {
      await feed.runOnce();
      return settled.length > 0;
    });
    expect(settled).toEqual([id]);
    expect(BigInt((await feedHead(view)).xid)).toBeGreaterThan(BigInt(other.xid));
    const page = await readEvents(view, viewer, { xid: '0', id: '0' }, 10);
    expect(page.events.map(({ jobId }) => jobId)).toEqual([id]);
    expect(BigInt(page.next.xid)).toBeGreaterThan(BigInt(other.xid));
    await other.end();
  });

  test('is told from one of this database, which holds up all that is younger', async () => {
    const { viewer } = await account();
    const [ours, theirs] = [await begin(database.url), await begin(neighbour.url)];
    const view = watching();
    await submit(core, viewer);
    await view.neighbours.look();
    expect(view.neighbours.transactions()).toContain(theirs.xid);
    expect(view.neighbours.transactions()).not.toContain(ours.xid);
    expect(await feedHead(view)).toEqual({ xid: ours.xid, id: '0' });
    expect((await readEvents(view, viewer, { xid: '0', id: '0' }, 10)).events).toEqual([]);
    await Promise.all([ours.end(), theirs.end()]);
  });

  test('is seen with no right to see what others do, and stays known without the right to look, until it has ended', async () => {
    const { neighbours } = await unprivileged({ refusedMs: 0 });
    const [first, second] = [await begin(neighbour.url), await begin(neighbour.url)];
    await somethingEnds();
    await neighbours.look();
    expect(neighbours.transactions()).toEqual(expect.arrayContaining([first.xid, second.xid]));
    await database.query('revoke select on pg_stat_activity from public');
    const late = await begin(neighbour.url);
    await somethingEnds();
    await neighbours.look();
    expect(neighbours.transactions()).toEqual(expect.arrayContaining([first.xid, second.xid]));
    expect(neighbours.transactions()).not.toContain(late.xid);
    await database.query('grant select on pg_stat_activity to public');
    await second.end();
    await neighbours.look();
    expect(neighbours.transactions()).toEqual(expect.arrayContaining([first.xid, late.xid]));
    expect(neighbours.transactions()).not.toContain(second.xid);
    await Promise.all([first.end(), late.end()]);
  });

  test('is not looked for in a while after that was refused, which is said once', async () => {
    const { neighbours, errors } = await unprivileged();
    await database.query('revoke select on pg_stat_activity from public');
    await neighbours.look();
    await database.query('grant select on pg_stat_activity to public');
    const other = await begin(neighbour.url);
    await somethingEnds();
    await neighbours.look();
    expect(neighbours.transactions()).not.toContain(other.xid);
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('permission denied')]);
    await other.end();
  });

  test('stays known when looking fails, which is said once and stops nobody', async () => {
    const { neighbours, role, errors } = await unprivileged();
    const other = await begin(neighbour.url);
    await somethingEnds();
    await neighbours.look();
    await database.query(`alter role ${role} nologin`);
    await database.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role]);
    await neighbours.look();
    await neighbours.look();
    expect(neighbours.transactions()).toContain(other.xid);
    expect(errors).toHaveLength(1);
    await database.query(`alter role ${role} login`);
    await other.end();
    await neighbours.look();
    expect(neighbours.transactions()).not.toContain(other.xid);
  });

  test('is looked for no more often than once in a while, however many ask', async () => {
    const view = { ...core, neighbours: createNeighbours(core, { everyMs: 3_600_000, onError: unexpected }) };
    await Promise.all([view.neighbours.look(), view.neighbours.look()]);
    const other = await begin(neighbour.url);
    await somethingEnds();
    await view.neighbours.look();
    expect(view.neighbours.transactions()).not.toContain(other.xid);
    await other.end();
  });
});
