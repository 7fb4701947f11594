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
        'create index "webhook_deliveries_due_index" on "webhook_deliveries" ("host", "next_try_at") ' +
        'where "delivered_at" is null and "abandoned_at" is null',
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
    // Of the URL, with its port: a slow one holds up no other.
    host: p
      .text()
      .$type<Opt<string>>()
      .generated(`(lower(split_part(split_part(url, '/'::text, 3), '@'::text, '-1'::integer))) stored`),
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
