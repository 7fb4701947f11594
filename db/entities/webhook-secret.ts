import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Account } from './account.ts';

/** What an account's webhooks are signed with, sealed; for a while after a rotation also what they were signed with before. */
export const WebhookSecret = defineEntity({
  name: 'WebhookSecret',
  tableName: 'webhook_secrets',
  properties: {
    accountId: () => p.manyToOne(Account).mapToPk().fieldNames('account_id').primary().deleteRule('cascade'),
    sealed: p.text(),
    previous: p.text().strictNullable(),
    previousUntil: p.datetime().columnType('timestamptz(3)').strictNullable(),
  },
});
export type WebhookSecret = InferEntity<typeof WebhookSecret>;
