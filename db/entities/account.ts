import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** The owner of jobs, keys and rules. Nothing of one account is visible to another. */
export const Account = defineEntity({
  name: 'Account',
  tableName: 'accounts',
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    username: p.text().unique(),
    createdAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
  },
});
export type Account = InferEntity<typeof Account>;

/** The account that sees every job; its key comes from the server's configuration. */
export const ADMIN_ACCOUNT_ID = '00000000-0000-0000-0000-000000000000';
