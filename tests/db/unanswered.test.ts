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
async function open(maxConnections = 1) {
  const gate = await between(database.url);
  const orm = await createOrm({ url: gate.url, maxConnections, answeredWithinMs: WITHIN_MS });
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

test('the others that rest are given up with it, before somebody waits for one of them', async () => {
  const { gate, orm, ask } = await open(3);
  const sleep = () => orm.em.fork().execute('select pg_sleep(0.1)');
  await Promise.all([sleep(), sleep(), sleep()]);
  gate.silence();
  await expect(ask()).rejects.toSatisfy((error) => isDatabaseAway(error));
  for (let n = 0; n < 3; n++) expect(await ask()).toHaveLength(1);
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
