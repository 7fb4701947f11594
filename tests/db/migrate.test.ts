import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, describe, expect, test, type TestContext } from 'vitest';
import { dumpSchema } from '../../db/dump.ts';
import { migrate } from '../../db/migrate.ts';
import { migrations } from '../../db/migrations.ts';
import { createOrm } from '../../db/orm.ts';
import { createDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

const database = await createDatabase({ empty: true });
afterAll(() => database.drop());

const names = migrations.map(({ name }) => name);

describe('migrating', () => {
  test('ten servers that start at once on an empty database run each migration once', async () => {
    const orms = await Promise.all(
      Array.from({ length: 10 }, () => createOrm({ url: database.url, maxConnections: 2 })),
    );
    try {
      const ran = await Promise.all(orms.map((orm) => migrate(orm, database.url)));
      expect(ran.flat().toSorted()).toEqual(names.toSorted());
      const recorded = await database.query<{ name: string }>('select name from migrations order by id');
      expect(recorded.map(({ name }) => name)).toEqual(names);
    } finally {
      await Promise.all(orms.map((orm) => orm.close(true)));
    }
  });

  test('again, there is nothing left to do', async () => {
    const orm = await createOrm({ url: database.url });
    expect(await migrate(orm, database.url)).toEqual([]);
    await orm.close(true);
  });

  test('leaves exactly the schema that the entities describe', async () => {
    const orm = await createOrm({ url: database.url });
    expect((await orm.schema.getUpdateSchemaSQL()).trim()).toBe('');
    await orm.close(true);
  });

  test('leaves exactly the schema that is committed; npm run codegen prints it anew', async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const dumped = await dumpSchema(client);
    await client.end();
    expect(dumped).toBe(readFileSync(new URL('../../db/schema.sql', import.meta.url), 'utf8'));
  });
});

describe('migrating beside servers that serve', () => {
  const [BEFORE, OF_JOBS] = ['0017-claims-planned-once', '0018-traces'];

  /** A database as the release before left it, and somebody who reads a table in a transaction that lasts, as a backup does. */
  async function heldBy(table: 'jobs' | 'attempts', { onTestFinished }: TestContext) {
    const own = await createDatabase({ empty: true });
    const orm = await createOrm({ url: own.url, maxConnections: 2, unlimited: true });
    await orm.migrator.up({ to: BEFORE });
    const backup = new pg.Client({ connectionString: own.url });
    await backup.connect();
    onTestFinished(async () => {
      await backup.end();
      await orm.close(true);
      await own.drop();
    });
    await backup.query(`begin; lock table ${table} in access share mode`);
    const isWaitedFor = async () => {
      const waiting = `select from pg_locks where not granted and relation = $1::regclass`;
      return (await own.query(waiting, [table])).length > 0;
    };
    const recorded = async () => (await own.query<{ name: string }>('select name from migrations order by id')).at(-1);
    return { own, orm, backup, isWaitedFor, recorded };
  }

  test.concurrent.for([
    ['jobs', BEFORE],
    ['attempts', OF_JOBS],
  ] as const)(
    'waits for %s in turns, in which others get it, and goes through in the end',
    async ([table, reached], context) => {
      const { own, orm, backup, isWaitedFor, recorded } = await heldBy(table, context);
      const troubles: Error[] = [];
      const migrated = migrate(orm, own.url, { onHeldUp: (error) => troubles.push(error) });
      await until(`a wait for ${table}`, isWaitedFor);
      // It stands behind the waiting migration, and would wait for ever: the backup ends after this.
      await own.query(`select from ${table}`);
      await until('the migration to have given way', () => Promise.resolve(troubles.length > 0));
      expect(await recorded()).toEqual({ name: reached });
      expect(troubles[0]?.message).toContain('is in use');
      await backup.query('commit');
      expect(await migrated).toEqual(names.slice(names.indexOf(OF_JOBS)));
      expect(await recorded()).toEqual({ name: names.at(-1) });
    },
  );

  test.concurrent('is given up when it takes too long, and says what to do', async (context) => {
    const { own, orm, recorded } = await heldBy('attempts', context);
    await expect(migrate(orm, own.url, { patienceMs: 100 })).rejects.toThrow(/within 0\.1 s: .*pg_stat_activity/);
    expect(await recorded()).toEqual({ name: OF_JOBS });
  });
});
