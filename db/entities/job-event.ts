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
  'WARNED',
] as const;
export type JobEventType = (typeof jobEventTypes)[number];

/**
 * One fact about one job, appended in the transaction that made it true. `seq` orders the events of a job; (`xid`, `id`) is
 * the feed's position: below the oldest running transaction nothing can be inserted any more (rule 12). `xid` is that of the
 * transaction, or of the job's event before where that is greater: a transaction may be given its xid long before it gets the
 * job's row, and a job's events must stand in the feed in the order of `seq`. An event outlives its job, so there is no foreign
 * key.
 */
export const JobEvent = defineEntity({
  name: 'JobEvent',
  tableName: 'job_events',
  indexes: [
    { name: 'job_events_position_index', properties: ['xid', 'id'] },
    { name: 'job_events_account_index', properties: ['accountId', 'xid', 'id'] },
    {
      // Jobs that are gone, and of which only events are left.
      name: 'job_events_purged_index',
      expression: `create index "job_events_purged_index" on "job_events" ("at") where "type" = 'PURGED'`,
    },
    {
      name: 'job_events_seq_unique',
      expression: 'create unique index "job_events_seq_unique" on "job_events" ("job_id", "seq")',
    },
  ],
  triggers: [
    {
      // Under the job's row lock the event before is committed, or of this very transaction: it is seen. Whatever runs below the
      // position that comes of it has a lower xid, so what is settled stays settled.
      name: 'position',
      timing: 'before',
      events: ['insert'],
      forEach: 'row',
      body:
        'new.xid := greatest(new.xid, (select e.xid from job_events e where e.job_id = new.job_id and e.seq = new.seq - 1)); ' +
        'return new',
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
