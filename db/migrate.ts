import pg from 'pg';
import { backoffMillis } from '../lib/backoff.ts';
import { pause } from '../lib/pause.ts';
import { CONNECT_WITHIN, createOrm } from './orm.ts';

/** Any number, the same for every server: who holds it, migrates. */
export const MIGRATION_LOCK = 5_375_731;

/** So long a migration waits at a time for what others hold (milliseconds): whoever comes after it waits too. */
const LOCK_TIMEOUT_MS = 2_000;
/** How long each migration asks for it, again and again (milliseconds), and the pauses in which others work on. */
const PATIENCE_MS = 60_000;
const PAUSES = { baseMs: 500, capMs: 5_000 };

/** Of PostgreSQL: somebody else had it for longer than `lock_timeout`; or wanted what we had, while we wanted what they had. */
const HELD_UP = new Set(['55P03', '40P01']);

export interface MigrateOptions {
  /** Told each time that somebody is in the way, before it is tried again. */
  onHeldUp?: (error: Error) => void;
  /** Milliseconds after which a migration is not tried again; a minute. */
  patienceMs?: number;
  /** Milliseconds that a migration waits at a time for what others hold; two seconds. */
  lockTimeoutMs?: number;
}

/**
 * Brings the database to the newest migration. Several servers may start at once: they queue on an advisory lock, and the
 * second finds nothing left to do. Others may use the database meanwhile.
 * @param url of the database itself: the lock is its connection's, which a pooler would give to somebody else
 * @returns the names of the migrations that ran
 * @throws Error when others held for too long what is to be altered; what ran before that stays
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const lock = new pg.Client({ connectionString: url, ...CONNECT_WITHIN });
  lock.on('error', () => undefined);
  const { lockTimeoutMs = LOCK_TIMEOUT_MS } = options;
  const orm = await createOrm({ url, maxConnections: 2, migrating: { lockTimeoutMs } });
  try {
    await lock.connect();
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const pending = (await orm.migrator.getPending()).map(({ name }) => name);
    for (const name of pending) await untilThrough(name, () => orm.migrator.up(name), options);
    return pending;
  } finally {
    await lock.end();
    await orm.close(true);
  }
}

async function untilThrough(
  name: string,
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
          `The migration ${name} could not be made within ${patienceMs / 1_000} s: others hold a table that it is to alter. ` +
            'Wait for long queries and backups (pg_stat_activity shows them), or end them, and start again.',
          { cause: error },
        );
      }
      const message = `A table that the migration ${name} is to alter is in use, it is asked for again in ${waitMs} ms`;
      onHeldUp(new Error(message, { cause: error }));
      await pause(waitMs);
    }
  }
}

function isHeldUp(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && HELD_UP.has(error.code);
}
