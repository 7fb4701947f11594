import { Migrator } from '@mikro-orm/migrations';
import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery, type DatabaseConnection } from 'kysely';
import type { Pool } from 'pg';
import { Account } from './entities/account.ts';
import { Agent } from './entities/agent.ts';
import { ApiKey } from './entities/api-key.ts';
import { AuditEvent } from './entities/audit-event.ts';
import { Attempt } from './entities/attempt.ts';
import { Ban } from './entities/ban.ts';
import { EventHorizon } from './entities/event-horizon.ts';
import { JobEvent } from './entities/job-event.ts';
import { JobLog } from './entities/job-log.ts';
import { Job } from './entities/job.ts';
import { Reallocation } from './entities/reallocation.ts';
import { ScalingEvent } from './entities/scaling-event.ts';
import { ScalingRule } from './entities/scaling-rule.ts';
import { SealedProof } from './entities/sealed-proof.ts';
import { Sweep } from './entities/sweep.ts';
import { WebhookDelivery } from './entities/webhook-delivery.ts';
import { WebhookSecret } from './entities/webhook-secret.ts';
import { WebhookTry } from './entities/webhook-try.ts';
import { keepPlans } from './kept-plans.ts';
import { freeLostConnections } from './lost-connections.ts';
import { migrations } from './migrations.ts';
import { inTurns, type Turns } from './turns.ts';
import { giveUpUnanswered } from './unanswered.ts';

export type { EntityManager };
export type Orm = MikroORM;

/**
 * In milliseconds. A row that somebody holds, a server frozen in the middle of a transaction, must not gather all connections of
 * all servers in front of it: whoever waits gives up and asks again, and the holder is thrown out.
 */
const LIMITS = {
  lock_timeout: 3_000,
  statement_timeout: 15_000,
  idle_in_transaction_session_timeout: 10_000,
};
/** Of every connection, in milliseconds: a host that drops what is sent to it would be waited for until TCP gives up. */
export const CONNECT_WITHIN = { connectionTimeoutMillis: 10_000 };
/**
 * One that rests, or waits for an answer, is given up by TCP when nobody is there for so long, in milliseconds, and ten seconds more: also
 * where the database cannot be asked who is at work (`giveUpUnanswered`).
 */
const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 20_000 };

/** Size of a pool, where nobody says another one. */
export const CONNECTIONS = 10;

/** Connects lazily: the first statement opens the first connection. `maxConnections` bounds the pool (10). */
export async function createOrm(options: {
  url: string;
  maxConnections?: number;
  /** For migrations: their statements may take their time, nothing else's may. They wait so long for what others hold (milliseconds). */
  migrating?: { lockTimeoutMs: number };
  /** Behind the URL is a pooler that gives each transaction another connection: then none of them is set up by us (`demandLimits`). */
  pooled?: boolean;
  /** Who may have a connection; by default whoever asks first. */
  turns?: Turns;
  /** As `giveUpUnanswered` has it; nothing that migrates is given up. */
  answeredWithinMs?: number;
}): Promise<Orm> {
  return MikroORM.init({
    entities: [
      ...[Account, Agent, ApiKey, Attempt, Ban, EventHorizon, Job, JobEvent, JobLog, Reallocation, ScalingEvent],
      ...[ScalingRule, Sweep, WebhookDelivery, WebhookSecret, WebhookTry, AuditEvent, SealedProof],
    ],
    clientUrl: options.url,
    extensions: [Migrator],
    migrations: { migrationsList: migrations, tableName: 'migrations', snapshot: false, allOrNothing: false },
    logger: () => undefined,
    // What it compares with the entities; functions are held to the committed schema by a test.
    schemaGenerator: { ignoreRoutines: true },
    pool: { min: 0, max: options.maxConnections ?? CONNECTIONS, idleTimeoutMillis: 30_000 },
    ...(options.pooled !== true && { onCreateConnection: withoutJit }),
    driverOptions: {
      ...limitsOf(options),
      ...CONNECT_WITHIN,
      ...KEEP_ALIVE,
      onPoolCreated: (pool: Pool) => {
        freeLostConnections(pool);
        // First, so that it sees each question as it goes out, also those that the others ask by themselves.
        if (options.migrating === undefined)
          giveUpUnanswered(pool, { withinMs: options.answeredWithinMs, pooled: options.pooled });
        if (options.pooled !== true) keepPlans(pool);
        if (options.turns !== undefined) inTurns(pool, options.turns);
      },
    },
    forceUtcTimezone: true,
  });
}

function limitsOf({ migrating, pooled }: Parameters<typeof createOrm>[0]): Partial<typeof LIMITS> {
  if (migrating !== undefined) return { lock_timeout: migrating.lockTimeoutMs };
  return pooled === true ? {} : LIMITS;
}

/**
 * Our statements are short, and planners think some of them long: a PostgreSQL that has a compiler would compile those for half a
 * second each time. What does not know the setting has none.
 */
async function withoutJit(connection: unknown): Promise<void> {
  // MikroORM hands on what Kysely gives it, untyped.
  await (connection as DatabaseConnection).executeQuery(CompiledQuery.raw('set jit = off')).catch(() => undefined);
}

/**
 * That the connections behind a pooler have the limits that ours would have: it hands on no setting that they are opened with.
 * @throws Error that says which have none, and where to set them
 */
export async function demandLimits(em: EntityManager): Promise<void> {
  const rows = await em.execute<{ name: string; setting: string }[]>(
    `select name, setting from pg_settings where name in (${Object.keys(LIMITS)
      .map((name) => `'${name}'`)
      .join(', ')})`,
  );
  const lacking = rows.filter(({ setting }) => setting === '0').map(({ name }) => name);
  if (lacking.length === 0) return;
  const wanted = Object.entries(LIMITS).map(([name, millis]) => `set ${name} = ${millis}`);
  throw new Error(
    `Expected connections of the pooler at DATABASE_URL to have limits, got none for ${lacking.join(', ')}: ` +
      `set them in its own configuration, of PgBouncer by connect_query='${wanted.join('; ')}; set jit = off'`,
  );
}

/** The clock that judges (rule 13). */
export async function databaseNow(em: EntityManager): Promise<Date> {
  const [row] = await em.execute<{ now: string }[]>('select clock_timestamp()::timestamptz(3) as now');
  if (row === undefined) throw new Error('The database did not tell its time');
  return new Date(row.now);
}
