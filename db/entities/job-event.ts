import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

export const jobEventTypes = [
  'SUBMITTED',
  'CLAIMED',
  'PHASE_CHANGED',
  'PROGRESSED',
  'CHECKPOINT_SAVED',
  'ATTEMPT_ENDED',
  'ATTEMPT_RESUMED',
  'COMPLETED',
  'FAILED',
  'CANCELED',
  'RETRIED',
  'PURGED',
  'BAN_LIFTED',
] as const;
export type JobEventType = (typeof jobEventTypes)[number];

/**
 * One fact about one job, appended in the transaction that made it true. `seq` orders the events of a job; (`xid`, `id`) is
 * the feed's position: below the oldest running transaction nothing can be inserted any more (rule 12). An event outlives
 * its job, so there is no foreign key.
 */
export const JobEvent = defineEntity({
  name: 'JobEvent',
  tableName: 'job_events',
  indexes: [
    { name: 'job_events_position_index', properties: ['xid', 'id'] },
    {
      name: 'job_events_seq_unique',
      expression: 'create unique index "job_events_seq_unique" on "job_events" ("job_id", "seq")',
    },
  ],
  properties: {
    id: p.bigint('string').primary(),
    xid: p.string().columnType('xid8').defaultRaw('pg_current_xact_id()'),
    jobId: p.uuid(),
    seq: p.integer(),
    accountId: p.uuid(),
    containerGroupId: p.text(),
    type: p.enum(jobEventTypes).nativeEnumName('job_event_type'),
    attempt: p.integer().strictNullable(),
    data: p.json().$type<Record<string, unknown>>(),
    at: p.datetime().columnType('timestamptz(3)').defaultRaw('clock_timestamp()'),
  },
});
export type JobEvent = InferEntity<typeof JobEvent>;
