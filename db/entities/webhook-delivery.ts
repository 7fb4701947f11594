import { defineEntity, p, type InferEntity, type Opt } from '@mikro-orm/core';
import { Job } from './job.ts';

/** One webhook to be sent, with its tries. Due while neither delivered nor abandoned. */
export const WebhookDelivery = defineEntity({
  name: 'WebhookDelivery',
  tableName: 'webhook_deliveries',
  indexes: [
    {
      name: 'webhook_deliveries_due_index',
      expression:
        'create index "webhook_deliveries_due_index" on "webhook_deliveries" ("account_id", "lane", "next_try_at") ' +
        'where "delivered_at" is null and "abandoned_at" is null',
    },
    {
      name: 'webhook_deliveries_over_index',
      expression:
        'create index "webhook_deliveries_over_index" on "webhook_deliveries" (coalesce("delivered_at", "abandoned_at")) ' +
        'where coalesce("delivered_at", "abandoned_at") is not null',
    },
    { name: 'webhook_deliveries_job_index', properties: ['jobId', 'position'] },
  ],
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    // The order in which they were written, which is that of their job's states.
    position: p.bigint('string').autoincrement(),
    accountId: p.uuid(),
    apiKeyId: p.uuid(),
    jobId: () => p.manyToOne(Job).mapToPk().fieldNames('job_id').deleteRule('cascade'),
    attempt: p.integer(),
    url: p.text(),
    // A number for the URL's host and port: what goes to a slow one holds up nothing else. A hash, so that a sender may begin to
    // look at any number and is as likely to find one host as another.
    lane: p
      .integer()
      .$type<Opt<number>>()
      .generated(`(hashtext(lower(COALESCE("substring"(url, '//([^/?#]+)'::text), ''::text)))) stored`),
    status: p.text(),
    machineId: p.text().strictNullable(),
    containerGroupId: p.text(),
    tries: p.integer().default(0),
    nextTryAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
    lastError: p.text().strictNullable(),
    createdAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
    deliveredAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    abandonedAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
  },
});
export type WebhookDelivery = InferEntity<typeof WebhookDelivery>;
