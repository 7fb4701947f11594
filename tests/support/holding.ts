import pg from 'pg';
import type { TestDatabase } from './database.ts';

/** Holds rows, as somebody else's transaction does, until it is told to let go. */
export async function holding(
  database: TestDatabase,
  sql: string,
  parameters: unknown[],
): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('begin');
  await client.query(sql, parameters);
  return async () => {
    await client.query('commit');
    await client.end();
  };
}

/** How many wait for what others hold. */
export async function waitingForLocks(database: TestDatabase): Promise<number> {
  const waiting = await database.query(
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  );
  return waiting.length;
}

/** Whether somebody was told that it has waited long enough for a row: on a machine that stood still for seconds that is no fault. */
export function hasWaitedTooLong(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '55P03';
}

/** A scene in which somebody waits for a row: played again where that took too long. */
export async function played(scene: () => Promise<void>): Promise<void> {
  for (let times = 1; ; times++) {
    try {
      await scene();
      return;
    } catch (error) {
      if (!hasWaitedTooLong(error) || times === 5) throw error;
    }
  }
}
