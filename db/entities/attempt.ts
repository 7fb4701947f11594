import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Job } from './job.ts';

const attemptPhases = ['DOWNLOADING', 'RUNNING', 'UPLOADING'] as const;
export type AttemptPhase = (typeof attemptPhases)[number];

export const attemptOutcomes = [
  'COMPLETED',
  'FAILED',
  'SYNC_FAILED',
  'TIMED_OUT',
  'LOST',
  'RELEASED',
  'CANCELED',
] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

export const endedBy = ['AGENT', 'SERVER', 'USER'] as const;
export type EndedBy = (typeof endedBy)[number];

/** What the command says of itself, or what is said of a transfer. `fraction` is between 0 and 1. */
export interface Progress {
  fraction: number | null;
  message: string | null;
  metrics: Record<string, unknown> | null;
  at: string;
}

/** A fraction that was reached, and when, in seconds since 1970. */
export type TracePoint = [at: number, fraction: number];

/**
 * One try at a job by one agent; while `outcome` is null, `leaseExpiresAt` is its lease. A live attempt is the only holder
 * of its job: the unique partial index below is rule 1 as the database holds it.
 */
export const Attempt = defineEntity({
  name: 'Attempt',
  tableName: 'attempts',
  indexes: [
    {
      name: 'attempts_live_unique',
      expression: 'create unique index "attempts_live_unique" on "attempts" ("job_id") where "outcome" is null',
    },
    {
      name: 'attempts_claim_unique',
      expression:
        'create unique index "attempts_claim_unique" on "attempts" ("agent_id", "claim_id") where "claim_id" is not null',
    },
    {
      name: 'attempts_live_agent_index',
      expression: 'create index "attempts_live_agent_index" on "attempts" ("agent_id") where "outcome" is null',
    },
    {
      name: 'attempts_live_machine_index',
      expression:
        'create index "attempts_live_machine_index" on "attempts" ("account_id", "container_group_id", "machine_id") ' +
        'where "outcome" is null',
    },
    {
      name: 'attempts_lease_index',
      expression: 'create index "attempts_lease_index" on "attempts" ("lease_expires_at") where "outcome" is null',
    },
  ],
  properties: {
    jobId: () => p.manyToOne(Job).mapToPk().primary().fieldNames('job_id').deleteRule('cascade'),
    number: p.integer().primary(),
    accountId: p.uuid(),
    containerGroupId: p.text(),
    machineId: p.text(),
    // Null for a polling worker, which has no session.
    agentId: p.uuid().strictNullable(),
    // Chosen by the agent: the same claim asked for again, because its answer was lost, is the same attempt.
    claimId: p.uuid().strictNullable(),
    phase: p.enum(attemptPhases).nativeEnumName('attempt_phase').strictNullable(),
    outcome: p.enum(attemptOutcomes).nativeEnumName('attempt_outcome').strictNullable(),
    endedBy: p.enum(endedBy).nativeEnumName('ended_by').strictNullable(),
    reason: p.text().strictNullable(),
    exitCode: p.integer().strictNullable(),
    signal: p.text().strictNullable(),
    startedAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
    endedAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    heartbeatInterval: p.integer(),
    heartbeatAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    leaseExpiresAt: p.datetime().columnType('timestamptz(3)'),
    // Whether its lease was prolonged after an outage without a word from its agent since: once is enough.
    graceGiven: p.boolean().default(false),
    // Whether it has come back after it was taken for lost.
    resumed: p.boolean().default(false),
    numHeartbeats: p.integer().default(0),
    // What the command last said of itself,
    progress: p.json().$type<Progress>().strictNullable(),
    // and how far the present phase's downloads or uploads are: it goes with the phase.
    transfer: p.json().$type<Progress>().strictNullable(),
    // How its fraction grew: what the time left is estimated from.
    progressTrace: p.json().$type<TracePoint[]>().strictNullable(),
    // When the next progress may be an event: on average one a second.
    progressDueAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    // The same of its transfer, which is not even stored before.
    transferDueAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    bytesDownloaded: p.bigint('string').default('0'),
    bytesUploaded: p.bigint('string').default('0'),
    filesDownloaded: p.integer().default(0),
    filesUploaded: p.integer().default(0),
    // How many publications while the command ran have been told by CHECKPOINT_SAVED: a report counts only beyond them.
    checkpointFiles: p.integer().default(0),
    checkpointBytes: p.bigint('string').default('0'),
    // Age of the oldest unpublished change at the last heartbeat; null where nothing is synced during the command.
    syncLagSeconds: p.double().strictNullable(),
    // What hinders it while it lives, for a person.
    warning: p.text().strictNullable(),
  },
});
export type Attempt = InferEntity<typeof Attempt>;
