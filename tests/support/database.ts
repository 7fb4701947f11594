import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { databaseUrl, TEMPLATE } from './global-setup.ts';

export interface TestDatabase {
  url: string;
  /** Runs one statement beside the program, for looking and for making time pass. */
  query<Row extends pg.QueryResultRow>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** A database of its own, cloned from the migrated template in some milliseconds. */
export async function createDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const template = options.empty === true ? 'template1' : TEMPLATE;
  // Copying whole files takes half the processor that writing each page to the log takes.
  await administer(`create database ${name} template ${template} strategy file_copy`);
  const url = databaseUrl(inject('postgresUrl'), name);
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => undefined);
  return {
    url,
    query: async <Row extends pg.QueryResultRow>(sql: string, parameters: unknown[] = []) =>
      (await pool.query<Row>(sql, parameters)).rows,
    drop: async () => {
      await pool.end();
      await administer(`drop database if exists ${name} with (force)`);
    },
  };
}

/** Of this process, for all its files: a connection costs more than most of what is asked by it. */
let administration: pg.Pool | undefined;

async function administer(sql: string): Promise<void> {
  if (administration === undefined) {
    administration = new pg.Pool({ connectionString: inject('postgresUrl'), max: 1, allowExitOnIdle: true });
    administration.on('error', () => undefined);
  }
  await administration.query(sql);
}
