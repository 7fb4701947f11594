import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Account } from './account.ts';

/** One running process of the agent: a machine, a container group and a random session id. */
export const Agent = defineEntity({
  name: 'Agent',
  tableName: 'agents',
  indexes: [
    {
      name: 'agents_session_unique',
      expression: 'create unique index "agents_session_unique" on "agents" ("account_id", "session_id")',
    },
    { name: 'agents_group_index', properties: ['accountId', 'containerGroupId'] },
  ],
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    accountId: () => p.manyToOne(Account).mapToPk().fieldNames('account_id').deleteRule('cascade'),
    machineId: p.text(),
    containerGroupId: p.text(),
    sessionId: p.uuid(),
    version: p.text().strictNullable(),
    hardware: p.json().$type<Record<string, unknown>>().strictNullable(),
    // The subscription that stands for its presence: when another one has taken its place, the old one's end means nothing.
    connectionId: p.uuid().strictNullable(),
    // As the agent counts its connections: an older one that was stuck on its way does not take the place of a newer one.
    connectionNumber: p.integer().default(0),
    // Since when it is asked to leave.
    drainingAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    registeredAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
    lastSeenAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
  },
});
export type Agent = InferEntity<typeof Agent>;
