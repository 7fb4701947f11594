import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/**
 * The position in the feed up to which events may have been removed; (0, 0) when none were. Who removes events moves it in the
 * same transaction, and removes only what is settled. One row.
 */
export const EventHorizon = defineEntity({
  name: 'EventHorizon',
  tableName: 'event_horizon',
  properties: {
    id: p.integer().primary().autoincrement(false),
    xid: p.string().columnType('xid8').default('0'),
    eventId: p.bigint('string').default('0'),
  },
});
export type EventHorizon = InferEntity<typeof EventHorizon>;
