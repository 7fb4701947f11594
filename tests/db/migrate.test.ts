import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, describe, expect, test, vi, type TestContext } from 'vitest';
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
    const ran = await Promise.all(Array.from({ length: 10 }, () => migrate(database.url)));
    expect(ran.flat().toSorted()).toEqual(names.toSorted());
    const recorded = await database.query<{ name: string }>('select name from migrations order by id');
    expect(recorded.map(({ name }) => name)).toEqual(names);
  });

  test('again, there is nothing left to do', async () => {
    expect(await migrate(database.url)).toEqual([]);
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

  /** A database as an earlier release left it. */
  async function leftAt(to: string, { onTestFinished }: TestContext) {
    const own = await createDatabase({ empty: true });
    const orm = await createOrm({ url: own.url, maxConnections: 2 });
    await orm.migrator.up({ to });
    await orm.close(true);
    onTestFinished(() => own.drop());
    const recorded = async () => (await own.query<{ name: string }>('select name from migrations order by id')).at(-1);
    return { own, recorded };
  }

  /** Somebody who reads a table in a transaction that lasts, as a backup does. */
  async function holding(url: string, table: 'jobs' | 'attempts' | 'agents', { onTestFinished }: TestContext) {
    const backup = new pg.Client({ connectionString: url });
    await backup.connect();
    onTestFinished(() => backup.end());
    await backup.query(`begin; lock table ${table} in access share mode`);
    return { release: () => backup.query('commit') };
  }

  test.concurrent.for([
    ['jobs', BEFORE],
    ['attempts', OF_JOBS],
  ] as const)(
    'waits for %s in turns, in which others get it, and goes through in the end',
    async ([table, reached], context) => {
      const { own, recorded } = await leftAt(BEFORE, context);
      const backup = await holding(own.url, table, context);
      const isWaitedFor = async () => {
        const waiting = `select from pg_locks where not granted and relation = $1::regclass`;
        return (await own.query(waiting, [table])).length > 0;
      };
      const troubles: Error[] = [];
      const migrated = migrate(own.url, { onHeldUp: (error) => troubles.push(error) });
      await until(`a wait for ${table}`, isWaitedFor);
      // It stands behind the waiting migration, and would wait for ever: the backup ends after this.
      await own.query(`select from ${table}`);
      await until('the migration to have given way', () => Promise.resolve(troubles.length > 0));
      expect(await recorded()).toEqual({ name: reached });
      expect(troubles[0]?.message).toContain('is in use');
      await backup.release();
      expect(await migrated).toEqual(names.slice(names.indexOf(OF_JOBS)));
      expect(await recorded()).toEqual({ name: names.at(-1) });
    },
  );

  test.concurrent(
    'gives way in those of early releases, too, which say nothing of that themselves',
    async (context) => {
      const { own, recorded } = await leftAt('0007-job-logs', context);
      await holding(own.url, 'agents', context);
      await expect(migrate(own.url, { patienceMs: 100, lockTimeoutMs: 50 })).rejects.toThrow(
        /^The migration 0008-connections-in-order .*within 0\.1 s: .*pg_stat_activity/,
      );
      expect(await recorded()).toEqual({ name: '0007-job-logs' });
    },
  );

  test('has as much patience for each migration, whatever those before it took', async (context) => {
    const { own, recorded } = await leftAt('0007-job-logs', context);
    const held = [await holding(own.url, 'agents', context), await holding(own.url, 'attempts', context)];
    const realNow = performance.now.bind(performance);
    let later = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => realNow() + later);
    context.onTestFinished(() => clock.mockRestore());
    const onHeldUp = (): void => {
      later += 50_000;
      void held.shift()?.release();
    };
    await migrate(own.url, { onHeldUp, patienceMs: 70_000, lockTimeoutMs: 50 });
    expect([held, await recorded()]).toEqual([[], { name: names.at(-1) }]);
  });
});
