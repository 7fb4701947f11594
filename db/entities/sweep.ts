import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** When leases were last swept, by any server: a long pause means that no server, or no database, was there. One row. */
export const Sweep = defineEntity({
  name: 'Sweep',
  tableName: 'sweeps',
  properties: {
    id: p.integer().primary().autoincrement(false),
    at: p.datetime().columnType('timestamptz(3)').defaultRaw('clock_timestamp()'),
  },
});
export type Sweep = InferEntity<typeof Sweep>;
