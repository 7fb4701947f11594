import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Account } from './account.ts';

/** How busy one GPU is. `utilization` is between 0 and 1; null where the driver does not tell. */
export interface GpuUse {
  index: number;
  utilization: number | null;
  memoryUsedBytes: number | null;
}

/**
 * One running process of the agent: a machine, a container group and a random session id. A polling worker has no session: it is
 * one row for each machine and group.
 */
export const Agent = defineEntity({
  name: 'Agent',
  tableName: 'agents',
  indexes: [
    {
      name: 'agents_session_unique',
      expression: 'create unique index "agents_session_unique" on "agents" ("account_id", "session_id")',
    },
    {
      name: 'agents_worker_unique',
      expression:
        'create unique index "agents_worker_unique" on "agents" ("account_id", "container_group_id", "machine_id") ' +
        'where "session_id" is null',
    },
    { name: 'agents_group_index', properties: ['accountId', 'containerGroupId'] },
    { name: 'agents_account_index', properties: ['accountId', 'registeredAt', 'id'] },
    // For forgetting them. There is none on lastSeenAt, because that changes every few seconds, and would then write every index.
    { name: 'agents_registered_index', properties: ['registeredAt'] },
  ],
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    accountId: () => p.manyToOne(Account).mapToPk().fieldNames('account_id').deleteRule('cascade'),
    machineId: p.text(),
    containerGroupId: p.text(),
    sessionId: p.uuid().strictNullable(),
    version: p.text().strictNullable(),
    hardware: p.json().$type<Record<string, unknown>>().strictNullable(),
    gpuUse: p.json().$type<GpuUse[]>().strictNullable(),
    gpuUseAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    // The subscription that stands for its presence: when another one has taken its place, the old one's end means nothing. It stays when
    // its server died or was told to stop.
    connectionId: p.uuid().strictNullable(),
    // As the agent counts its connections: an older one that was stuck on its way does not take the place of a newer one.
    connectionNumber: p.integer().default(0),
    // Since when it is asked to leave.
    drainingAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    // Since when it is to get no more jobs: it finishes what it has, and ends.
    retiringAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    registeredAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
    lastSeenAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
  },
});
export type Agent = InferEntity<typeof Agent>;
