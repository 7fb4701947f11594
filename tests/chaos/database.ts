import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres, type StopMode } from '../../db/embedded.ts';
import { pause } from '../../lib/pause.ts';

/** A real, durable PostgreSQL that can be restarted, with a way to look into it. */
export interface Database {
  url: string;
  /** Stops it in good order or as a crash would, and starts it again `downMs` later, or when `hurry` is aborted. */
  restart(mode: StopMode, downMs: number, hurry: AbortSignal): Promise<void>;
  /** One statement. Rejects while the database is away. */
  query<Row extends pg.QueryResultRow>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  stop(): Promise<void>;
}

export async function startDatabase(dataDirectory: string): Promise<Database> {
  let postgres: EmbeddedPostgres = await startEmbeddedPostgres({ dataDirectory });
  const { url, port } = postgres;
  const pool = new pg.Pool({ connectionString: url, max: 3, connectionTimeoutMillis: 2_000 });
  pool.on('error', () => undefined);
  let restarting: Promise<void> = Promise.resolve();

  async function restart(mode: StopMode, downMs: number, hurry: AbortSignal): Promise<void> {
    await postgres.stop(mode);
    await pause(downMs, hurry);
    postgres = await startEmbeddedPostgres({ dataDirectory, port });
    if (postgres.port !== port) throw new Error(`PostgreSQL came back on port ${postgres.port}, expected ${port}`);
  }
  return {
    url,
    restart: (mode, downMs, hurry) => (restarting = restarting.then(() => restart(mode, downMs, hurry))),
    query: async <Row extends pg.QueryResultRow>(sql: string, parameters: unknown[] = []) =>
      (await pool.query<Row>(sql, parameters)).rows,
    async stop() {
      await restarting.catch(() => undefined);
      await pool.end();
      await postgres.stop('immediate');
    },
  };
}
