import pg from 'pg';
import { backoffMillis } from '../lib/backoff.ts';
import { pause } from '../lib/pause.ts';
import { CONNECT_WITHIN, type Orm } from './orm.ts';

/** Any number, the same for every server: who holds it, migrates. */
export const MIGRATION_LOCK = 5_375_731;

/** How long what others hold is asked for, again and again (milliseconds), and the pauses in which they work on. */
const PATIENCE_MS = 60_000;
const PAUSES = { baseMs: 500, capMs: 5_000 };

/** Of PostgreSQL: somebody else had it for longer than `lock_timeout`; or wanted what we had, while we wanted what they had. */
const HELD_UP = new Set(['55P03', '40P01']);

export interface MigrateOptions {
  /** Told each time that somebody is in the way, before it is tried again. */
  onHeldUp?: (error: Error) => void;
  /** Milliseconds after which it is not tried again; a minute. */
  patienceMs?: number;
}

/**
 * Brings the database to the newest migration. Several servers may start at once: they queue on an advisory lock, and the
 * second finds nothing left to do. Others may use the database meanwhile.
 * @param url of the database itself: the lock is its connection's, which a pooler would give to somebody else
 * @returns the names of the migrations that ran
 * @throws Error when others held for too long what is to be altered; what ran before that stays
 */
export async function migrate(orm: Orm, url: string, options: MigrateOptions = {}): Promise<string[]> {
  const lock = new pg.Client({ connectionString: url, ...CONNECT_WITHIN });
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const pending = await orm.migrator.getPending();
    await untilThrough(() => orm.migrator.up(), options);
    return pending.map(({ name }) => name);
  } finally {
    await lock.end();
  }
}

/** Each try goes on with the migration that the last one stopped at. */
async function untilThrough(
  work: () => Promise<unknown>,
  { onHeldUp = () => undefined, patienceMs = PATIENCE_MS }: MigrateOptions,
): Promise<void> {
  const begunAt = performance.now();
  for (let repetition = 0; ; repetition += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isHeldUp(error)) throw error;
      const waitMs = backoffMillis(repetition, PAUSES);
      if (performance.now() - begunAt + waitMs > patienceMs) {
        throw new Error(
          `The database could not be brought up to date within ${patienceMs / 1_000} s: others hold a table that is to be altered. ` +
            'Wait for long queries and backups (pg_stat_activity shows them), or end them, and start again.',
          { cause: error },
        );
      }
      onHeldUp(
        new Error(`A table that is to be altered is in use, it is asked for again in ${waitMs} ms`, { cause: error }),
      );
      await pause(waitMs);
    }
  }
}

function isHeldUp(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && HELD_UP.has(error.code);
}
