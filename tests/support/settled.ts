import type { TestDatabase } from './database.ts';
import { until } from './until.ts';

/**
 * Waits until all that is in a database is settled, so that a feed which begins now begins behind it: what is open in the databases of
 * other tests, which run in the same cluster, holds that up as well.
 */
export async function allToBeSettled(database: TestDatabase): Promise<void> {
  await until('what is there to be settled', async () => {
    const early = await database.query(
      'select from job_events where xid >= pg_snapshot_xmin(pg_current_snapshot()) limit 1',
    );
    return early.length === 0;
  });
}
