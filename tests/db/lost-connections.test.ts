import { afterAll, expect, onTestFinished, test } from 'vitest';
import { createOrm } from '../../db/orm.ts';
import { createDatabase } from '../support/database.ts';

const database = await createDatabase();
afterAll(() => database.drop());

async function open() {
  const orm = await createOrm({ url: database.url, maxConnections: 2 });
  onTestFinished(() => orm.close(true));
  return orm;
}

test.each(['in its work', 'as it is committed'])(
  'a pool loses no place to a connection that ends in a transaction %s',
  async (where) => {
    const orm = await open();
    for (let n = 0; n < 3; n++) {
      const transaction = orm.em.fork().transactional(async (em) => {
        const [row] = await em.execute<{ pid: number }[]>('select pg_backend_pid() as pid');
        await database.query('select pg_terminate_backend($1)', [row!.pid]);
        if (where === 'in its work') await em.execute('select 2');
      });
      await expect(transaction).rejects.toThrow();
    }
    expect(await orm.em.fork().execute('select 3 as three')).toEqual([{ three: 3 }]);
  },
);
