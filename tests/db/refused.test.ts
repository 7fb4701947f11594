import { afterAll, describe, expect, test } from 'vitest';
import { hasTakenTooLong, isRefusedForItsData } from '../../db/refused.ts';
import { createDatabase } from '../support/database.ts';

const database = await createDatabase();
afterAll(() => database.drop());

const faultOf = async (sql: string): Promise<unknown> =>
  database.query(sql).then(
    () => undefined,
    (error: unknown) => error,
  );

test('what took too long is told from what was refused', async () => {
  expect(hasTakenTooLong(await faultOf('set statement_timeout = 1; select pg_sleep(10)'))).toBe(true);
  expect(hasTakenTooLong(await faultOf('select from nowhere'))).toBe(false);
});

describe('what PostgreSQL refuses for what it was given', () => {
  test.each([
    ['a number out of range', `select '2147483648'::int`],
    ['no number at all', `select 'many'::int`],
    ['no UUID', `select 'none'::uuid`],
    ['a zero character', `select '{"text": "\\u0000"}'::jsonb ->> 'text'`],
    ['half of a surrogate pair', `select '"\\ud800"'::jsonb`],
    ['too deep a value', `select (repeat('[', 100000) || repeat(']', 100000))::jsonb`],
    ['what a constraint forbids', `insert into accounts (id, username) values (null, null)`],
  ])('%s is told from others', async (_what, sql) => {
    const error = await faultOf(sql);
    expect(error).toBeInstanceOf(Error);
    expect(isRefusedForItsData(error)).toBe(true);
  });

  test.each([
    ['a missing table', 'select from nowhere'],
    ['a statement that takes too long', `begin; set local statement_timeout = 1; select pg_sleep(10)`],
  ])('%s is not one', async (_what, sql) => {
    const error = await faultOf(sql);
    expect(error).toBeInstanceOf(Error);
    expect(isRefusedForItsData(error)).toBe(false);
  });

  test.each([undefined, 'refused', new Error('22003')])('%s is not one', (error) => {
    expect(isRefusedForItsData(error)).toBe(false);
  });
});
