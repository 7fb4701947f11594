import pg from 'pg';
import { CONNECT_WITHIN, type Orm } from './orm.ts';

/** Any number, the same for every server: who holds it, migrates. */
export const MIGRATION_LOCK = 5_375_731;

/**
 * Brings the database to the newest migration. Several servers may start at once: they queue on an advisory lock, and the
 * second finds nothing left to do.
 * @param url of the database itself: the lock is its connection's, which a pooler would give to somebody else
 * @returns the names of the migrations that ran
 */
export async function migrate(orm: Orm, url: string): Promise<string[]> {
  const lock = new pg.Client({ connectionString: url, ...CONNECT_WITHIN });
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const ran = await orm.migrator.up();
    return ran.map((migration) => migration.name);
  } finally {
    await lock.end();
  }
}
