import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { createOrm, type Orm } from '../../db/orm.ts';
import { positional, statement } from '../../db/statement.ts';
import { createDatabase } from '../support/database.ts';

const database = await createDatabase();
const orm = await createOrm({ url: database.url, maxConnections: 1 });
afterAll(async () => {
  await orm.close(true);
  await database.drop();
});

/** As the core marks it. */
const renew = statement<{ said: string }, unknown>('renew-leases', { keepsPlan: true });
const said = (jobId: string) => ({
  said: JSON.stringify([{ job_id: jobId, account_id: randomUUID(), attempt: 1, seen_every_seconds: 10 }]),
});

const kept = ({ em }: Orm) =>
  em
    .fork()
    .execute<{ name: string; times: number }[]>(
      'select name, (generic_plans + custom_plans)::int as times from pg_prepared_statements',
    );

describe('positional', () => {
  test('numbers each name once, in the order of first appearance', () => {
    expect(positional('select :b, :a, :b')).toEqual({ text: 'select $1, $2, $1', names: ['b', 'a'] });
  });

  test('leaves casts and times alone', () => {
    const { text, names } = positional("select :at::timestamptz, now()::date, '10:30'::time");
    expect(text).toBe("select $1::timestamptz, now()::date, '10:30'::time");
    expect(names).toEqual(['at']);
  });

  test('waits for what it would pass over, where it is told to', () => {
    const sql = 'select from jobs where id = :id for update skip locked';
    expect(positional(sql).text).toBe('select from jobs where id = $1 for update skip locked');
    expect(positional(sql, { waits: true }).text).toBe('select from jobs where id = $1 for update');
    expect(positional('select for update\n  skip  locked) j', { waits: true }).text).toBe('select for update) j');
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

  test('one that keeps its plan is planned for each connection, and is given its parameters like any other', async () => {
    // A transaction has one connection.
    await orm.em
      .fork()
      .transactional(async (em) => {
        for (let n = 0; n < 3; n++) await expect(renew(em, said(randomUUID()))).resolves.toEqual([]);
        await expect(renew(em, said('none'))).rejects.toThrow('uuid');
      })
      .catch(() => undefined);
    expect(await kept(orm)).toEqual([{ name: 'renew-leases', times: 4 }]);
  });

  test('of a connection to a pooler nothing is kept', async () => {
    const pooled = await createOrm({ url: database.url, pooled: true, maxConnections: 1 });
    try {
      await renew(pooled.em.fork(), said(randomUUID()));
      expect(await kept(pooled)).toEqual([]);
    } finally {
      await pooled.close(true);
    }
  });

  test('a connection whose plan is refused, as its columns have changed, is not used again', async () => {
    await renew(orm.em.fork(), said(randomUUID()));
    await database.query('alter table attempts alter column checkpoint_files type bigint');
    const inTransaction = orm.em.fork().transactional((em) => renew(em, said(randomUUID())));
    await expect(inTransaction).rejects.toThrow('cached plan must not change result type');
    await expect(renew(orm.em.fork(), said(randomUUID()))).resolves.toEqual([]);
  });

  test('nor is one that has lost its plans to somebody else, and what is asked there is asked once more, without one', async () => {
    const backend = () => orm.em.fork().execute<{ pid: number }[]>('select pg_backend_pid() as pid');
    await renew(orm.em.fork(), said(randomUUID()));
    const before = await backend();
    await orm.em.fork().execute('deallocate all');
    await expect(renew(orm.em.fork(), said(randomUUID()))).resolves.toEqual([]);
    expect(await backend()).not.toEqual(before);
  });

  test('a file that is not there is an error when the program starts', () => {
    expect(() => statement('no-such-statement')).toThrow('no-such-statement');
  });
});
