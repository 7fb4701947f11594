import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { createOrm } from '../../db/orm.ts';
import { positional, statement } from '../../db/statement.ts';
import { createDatabase } from '../support/database.ts';

const database = await createDatabase();
const orm = await createOrm({ url: database.url });
afterAll(async () => {
  await orm.close(true);
  await database.drop();
});

describe('positional', () => {
  test('numbers each name once, in the order of first appearance', () => {
    expect(positional('select :b, :a, :b')).toEqual({ text: 'select $1, $2, $1', names: ['b', 'a'] });
  });

  test('leaves casts and times alone', () => {
    const { text, names } = positional("select :at::timestamptz, now()::date, '10:30'::time");
    expect(text).toBe("select $1::timestamptz, now()::date, '10:30'::time");
    expect(names).toEqual(['at']);
  });

  test('takes no parameter from a comment', () => {
    expect(positional('-- what :it does\nselect :x -- and :why')).toEqual({ text: 'select $1', names: ['x'] });
  });
});

describe('the statements', () => {
  const files = readdirSync(new URL('../../db/sql/', import.meta.url));

  test.each(files)('%s is a statement that this schema knows', async (file) => {
    const { text } = positional(readFileSync(new URL(`../../db/sql/${file}`, import.meta.url), 'utf8'));
    await expect(database.query(`prepare "${file}" as ${text}`)).resolves.toEqual([]);
  });

  test('a parameter is bound, never interpolated', async () => {
    const jobTotals = statement<{ job_ids: readonly string[] }, unknown>('job-totals');
    await expect(jobTotals(orm.em.fork(), { job_ids: ["'; drop table jobs; --"] })).rejects.toThrow('uuid');
    await expect(database.query('select count(*) from jobs')).resolves.toHaveLength(1);
  });

  test('a file that is not there is an error when the program starts', () => {
    expect(() => statement('no-such-statement')).toThrow('no-such-statement');
  });
});
