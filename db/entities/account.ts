import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** The owner of jobs, keys and rules. Nothing of one account is visible to another. */
export const Account = defineEntity({
  name: 'Account',
  tableName: 'accounts',
  // `!~~` is "not like", as PostgreSQL itself writes it.
  checks: [
    { name: 'accounts_organization_room', expression: `(organization is null) = (lower(username) !~~ 'salad:%')` },
    { name: 'accounts_organization_username', expression: `username = ('salad:' || organization)` },
  ],
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    username: p.text().unique(),
    // Of Salad, in lower case; null for everybody else.
    organization: p.text().unique().strictNullable(),
    // As its tokens say, once one has come.
    organizationId: p.text().strictNullable(),
    // The key that webhooks of jobs carry that were submitted without one of ours.
    webhookKeyId: p.uuid().strictNullable(),
    createdAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
  },
});
export type Account = InferEntity<typeof Account>;

/** The account that sees every job; its key comes from the server's configuration. */
export const ADMIN_ACCOUNT_ID = '00000000-0000-0000-0000-000000000000';
