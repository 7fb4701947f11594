import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';

export interface BenchPostgres {
  /** A new, empty database. */
  database(name: string): Promise<string>;
  pid: number;
  stop(): Promise<void>;
}

/** An embedded PostgreSQL with its ordinary, durable settings, in a directory that goes with it. */
export async function startBenchPostgres(): Promise<BenchPostgres> {
  const directory = await makeTemporaryDirectory('kelpie-bench-');
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), maxConnections: 100 });
  return {
    pid: postgres.pid,
    async database(name) {
      await sql(postgres.url, `create database ${name}`);
      const url = new URL(postgres.url);
      url.pathname = `/${name}`;
      return url.href;
    },
    async stop() {
      await postgres.stop('immediate');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Runs one statement on a connection of its own. */
export async function sql<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  parameters: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text, parameters)).rows;
  } finally {
    await client.end();
  }
}
