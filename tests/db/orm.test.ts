import { afterAll, expect, test } from 'vitest';
import { createOrm } from '../../db/orm.ts';
import { createDatabase } from '../support/database.ts';

const database = await createDatabase();
const orm = await createOrm({ url: database.url });
afterAll(async () => {
  await orm.close(true);
  await database.drop();
});

test('no connection compiles statements, and none waits for ever', async () => {
  const shown = async (name: string) =>
    (await orm.em.fork().execute<Record<string, string>[]>(`show ${name}`))[0]?.[name];
  expect(await shown('jit')).toBe('off');
  expect(await shown('lock_timeout')).toBe('3s');
  expect(await shown('statement_timeout')).toBe('15s');
});
