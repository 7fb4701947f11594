import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { WebhookDelivery } from './webhook-delivery.ts';

/** One try of sending a webhook, and what came of it. */
export const WebhookTry = defineEntity({
  name: 'WebhookTry',
  tableName: 'webhook_tries',
  properties: {
    deliveryId: () => p.manyToOne(WebhookDelivery).mapToPk().fieldNames('delivery_id').primary().deleteRule('cascade'),
    number: p.integer().primary(),
    at: p.datetime().columnType('timestamptz(3)').defaultRaw('clock_timestamp()'),
    milliseconds: p.integer(),
    statusCode: p.integer().strictNullable(),
    error: p.text().strictNullable(),
    // The beginning of what the receiver answered.
    response: p.text().strictNullable(),
    // Whether that was stored without the secrets that the receiver was sent. Servers of a release that did not do so leave it out.
    responseBlanked: p.boolean().default(false),
  },
});
export type WebhookTry = InferEntity<typeof WebhookTry>;
