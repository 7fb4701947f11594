import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { dumpSchema } from '../../db/dump.ts';
import { migrate } from '../../db/migrate.ts';
import { migrations } from '../../db/migrations.ts';
import { createOrm } from '../../db/orm.ts';
import { createDatabase } from '../support/database.ts';

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
