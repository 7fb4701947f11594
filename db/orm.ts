import { Migrator } from '@mikro-orm/migrations';
import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { Account } from './entities/account.ts';
import { Agent } from './entities/agent.ts';
import { ApiKey } from './entities/api-key.ts';
import { Attempt } from './entities/attempt.ts';
import { Ban } from './entities/ban.ts';
import { JobEvent } from './entities/job-event.ts';
import { Job } from './entities/job.ts';
import { WebhookDelivery } from './entities/webhook-delivery.ts';
import { migrations } from './migrations.ts';

export type { EntityManager };
export type Orm = MikroORM;

/** Connects lazily: the first statement opens the first connection. `maxConnections` bounds the pool (10). */
export async function createOrm(options: { url: string; maxConnections?: number }): Promise<Orm> {
  return MikroORM.init({
    entities: [Account, Agent, ApiKey, Attempt, Ban, Job, JobEvent, WebhookDelivery],
    clientUrl: options.url,
    extensions: [Migrator],
    migrations: { migrationsList: migrations, tableName: 'migrations', snapshot: false },
    logger: () => undefined,
    pool: { min: 0, max: options.maxConnections ?? 10, idleTimeoutMillis: 30_000 },
    forceUtcTimezone: true,
  });
}

/** The clock that judges (rule 13). */
export async function databaseNow(em: EntityManager): Promise<Date> {
  const [row] = await em.execute<{ now: string }[]>('select clock_timestamp()::timestamptz(3) as now');
  if (row === undefined) throw new Error('The database did not tell its time');
  return new Date(row.now);
}
