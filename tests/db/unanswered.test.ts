import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { isDatabaseAway } from '../../db/away.ts';
import { createOrm } from '../../db/orm.ts';
import { between } from '../support/between.ts';
import { createDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

const database = await createDatabase();
afterAll(() => database.drop());

/** Of which a machine that stands still for a second takes no more than a turn. */
const WITHIN_MS = 800;

/** A pool by way of somebody who may fall silent. */
async function open(maxConnections = 1, pooled = false) {
  const gate = await between(database.url);
  const orm = await createOrm({ url: gate.url, maxConnections, pooled, answeredWithinMs: WITHIN_MS });
  onTestFinished(async () => {
    await orm.close(true);
    await gate.close();
  });
  const ask = () => orm.em.fork().execute<{ pid: number }[]>('select pg_backend_pid() as pid');
  return { gate, orm, ask };
}

test('a statement that is not answered fails as one whose connection has ended, and the next one has another connection', async () => {
  const { gate, ask } = await open();
  const [before] = await ask();
  gate.silence();
  await expect(ask()).rejects.toSatisfy((error) => isDatabaseAway(error));
  const [after] = await ask();
  expect(after?.pid).not.toBe(before?.pid);
});

test('the others that rest are given up with it, and half of them are left to whoever comes while the others are asked', async () => {
  const { gate, orm, ask } = await open(4);
  const sleep = () => orm.em.fork().execute('select pg_sleep(0.1)');
  await Promise.all([sleep(), sleep(), sleep(), sleep()]);
  const pool = await orm.driver.getConnection().getNativeClient();
  const leftAtRest: number[] = [];
  pool.on('remove', () => leftAtRest.push(pool.idleCount));
  gate.silence();
  await expect(ask()).rejects.toSatisfy((error) => isDatabaseAway(error));
  await until('all of them to be given up', () => pool.totalCount === 0);
  expect(leftAtRest.slice(1)).toContain(1);
  expect(await ask()).toHaveLength(1);
});

test('one of them that answers is kept, also where this process was frozen meanwhile', async () => {
  const { gate, orm, ask } = await open(2);
  await ask();
  gate.silence();
  const lost = ask();
  const [sound] = await ask();
  const pool = await orm.driver.getConnection().getNativeClient();
  const frozen = once(pool, 'acquire').then(() => {
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WITHIN_MS / 2));
  });
  await expect(lost).rejects.toSatisfy((error) => isDatabaseAway(error));
  await frozen;
  await until('it to rest again', () => pool.idleCount === pool.totalCount);
  expect(await ask()).toEqual([sound]);
});

test('a transaction that falls silent half-way holds up nobody either', async () => {
  const { gate, orm, ask } = await open();
  const transaction = orm.em.fork().transactional(async (em) => {
    await em.execute('select 1');
    gate.silence();
    await em.execute('select 2');
  });
  await expect(transaction).rejects.toSatisfy((error) => isDatabaseAway(error));
  expect(await ask()).toHaveLength(1);
});

test('what is answered in time keeps its connection, also where this process was frozen meanwhile', async () => {
  const { orm, ask } = await open();
  const [before] = await ask();
  const slow = orm.em.fork().execute('select pg_sleep(0.3)');
  const sleeping = "select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'";
  await until('it to be asked', async () => (await database.query(sleeping, [before?.pid])).length === 1);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1.5 * WITHIN_MS);
  await slow;
  expect(await ask()).toEqual([before]);
});

/** Longer than it would take to give up all that waits, and somebody to ask before. */
const LONGER_S = (2.5 * WITHIN_MS) / 1_000;

/** A table into which nothing is committed before `commit`, as with a standby that does not answer: a commit has no limit. */
async function createHeld() {
  const name = `held_${randomUUID().replaceAll('-', '')}`;
  await database.query(`create table ${name} (pid int default pg_backend_pid())`);
  await database.query(`create table ${name}_free ()`);
  await database.query(`
    create function ${name}() returns trigger language plpgsql as $$ begin
      while not exists (select from ${name}_free) loop perform pg_sleep(0.02); end loop;
      return null;
    end $$`);
  await database.query(`
    create constraint trigger held after insert on ${name} deferrable initially deferred
    for each row execute function ${name}()`);
  return {
    insert: `insert into ${name} default values`,
    commit: () => database.query(`insert into ${name}_free default values`),
    rows: () => database.query<{ pid: number }>(`select pid from ${name}`),
  };
}

test.each([false, true])(
  'a commit that waits is waited for, and no connection is opened in its place (pooled: %s)',
  async (pooled) => {
    const { orm } = await open(3, pooled);
    const held = await createHeld();
    const inserted = [orm.em.fork().execute(held.insert), orm.em.fork().transactional((em) => em.execute(held.insert))];
    // Nor is what merely takes long given up.
    await orm.em.fork().execute(`select pg_sleep(${LONGER_S})`);
    const waiting = await database.query<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and query ~ '^(insert into held_|commit)'",
    );
    await held.commit();
    await Promise.all(inserted);
    const rows = await held.rows();
    expect(rows.map(({ pid }) => pid).toSorted()).toEqual(waiting.map(({ pid }) => pid).toSorted());
  },
);

test('what is committed after the network was cut is given up all the same', async () => {
  const { gate, orm, ask } = await open();
  const transaction = orm.em.fork().transactional(async (em) => {
    await em.execute('select pg_current_xact_id()');
    gate.silence();
  });
  await expect(transaction).rejects.toSatisfy((error) => isDatabaseAway(error));
  expect(await ask()).toHaveLength(1);
});
