import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Account } from './account.ts';

export const jobStatuses = ['PENDING', 'RUNNING', 'COMPLETED', 'CANCELED', 'FAILED'] as const;
export type JobStatus = (typeof jobStatuses)[number];

/** One direction of one directory: which part of a bucket belongs to which local path. */
export interface SyncEntry {
  bucket: string;
  prefix: string;
  localPath: string;
  direction: 'DOWNLOAD' | 'UPLOAD';
  pattern: string | null;
  patternSyntax: 'GLOB' | 'REGEX' | null;
}

export interface Sync {
  before: SyncEntry[];
  during: SyncEntry[];
  after: SyncEntry[];
}

/** The older form of `sync`: three buckets with fixed directories. */
export interface LegacySync {
  inputBucket: string;
  inputPrefix: string;
  checkpointBucket: string;
  checkpointPrefix: string;
  outputBucket: string;
  outputPrefix: string;
}

/** Command, arguments, environment, sync instructions, and what became of them. */
export const Job = defineEntity({
  name: 'Job',
  tableName: 'jobs',
  indexes: [
    {
      // The queue. Its size is the backlog's, not the history's, and a claim reads its first row.
      name: 'jobs_queue_index',
      expression:
        `create index "jobs_queue_index" on "jobs" ("account_id", "container_group_id", "priority" desc, "position") ` +
        `where "status" = 'PENDING'`,
    },
    { name: 'jobs_account_id_position_index', properties: ['accountId', 'position'] },
    { name: 'jobs_group_index', properties: ['accountId', 'containerGroupId', 'status', 'position'] },
    // How many have ended in the last hours, of however many: each is read by its own status and time alone.
    ...(['completed', 'failed', 'canceled'] as const).map((ended) => ({
      name: `jobs_${ended}_index`,
      expression:
        `create index "jobs_${ended}_index" on "jobs" ("account_id", "container_group_id", "${ended}_at") ` +
        `where "status" = '${ended.toUpperCase()}'`,
    })),
    {
      // What is too old, oldest first. Queries repeat the expression and the condition word for word.
      name: 'jobs_ended_index',
      expression:
        'create index "jobs_ended_index" on "jobs" (coalesce("completed_at", "failed_at", "canceled_at"), "position") ' +
        `where "status" in ('COMPLETED', 'FAILED', 'CANCELED')`,
    },
    {
      name: 'jobs_idempotency_key_unique',
      expression:
        'create unique index "jobs_idempotency_key_unique" on "jobs" ("account_id", "idempotency_key") ' +
        'where "idempotency_key" is not null',
    },
  ],
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    // Order of submission: unlike a time, never the same for two jobs of one batch.
    position: p.bigint('string').autoincrement(),
    accountId: () => p.manyToOne(Account).mapToPk().fieldNames('account_id').deleteRule('cascade'),
    apiKeyId: p.uuid(),
    name: p.text().strictNullable(),
    status: p.enum(jobStatuses).nativeEnumName('job_status').default('PENDING'),
    statusReason: p.text().strictNullable(),
    command: p.text(),
    arguments: p.json().$type<string[]>(),
    environment: p.json().$type<Record<string, string>>(),
    containerGroupId: p.text(),
    sync: p.json().$type<Sync>().strictNullable(),
    legacySync: p.json().$type<LegacySync>().strictNullable(),
    compression: p.boolean().default(false),
    webhook: p.text().strictNullable(),
    priority: p.smallint().default(0),
    labels: p.json().$type<Record<string, string>>(),
    maxFailures: p.integer(),
    maxInterruptions: p.integer().strictNullable(),
    timeoutSeconds: p.integer().strictNullable(),
    stallTimeoutSeconds: p.integer().strictNullable(),
    heartbeatInterval: p.integer(),
    numFailures: p.integer().default(0),
    numInterruptions: p.integer().default(0),
    numSyncFailures: p.integer().default(0),
    // The newest attempt's number, 0 before the first: the fence of rule 2.
    attemptNumber: p.integer().default(0),
    // The attempt whose lease ran out and which may still come back, because nobody has claimed the job since (rule 3).
    resumableAttempt: p.integer().strictNullable(),
    machineId: p.text().strictNullable(),
    // The newest ban, on the row itself: a claim that waited for the row sees it, whatever its snapshot of the bans.
    bannedMachineId: p.text().strictNullable(),
    // How many events the job has: the newest one's seq (rule 12).
    eventSeq: p.integer().default(0),
    idempotencyKey: p.text().strictNullable(),
    requestHash: p.text().strictNullable(),
    // Where its trace began, as a W3C traceparent: of its submission, or of its last retry.
    traceParent: p.text().strictNullable(),
    createdAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
    startedAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    completedAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    canceledAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    failedAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    // When it was last made pending again by somebody, of a job that has a trace.
    retriedAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    lastCheckpointAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
  },
});
export type Job = InferEntity<typeof Job>;
