import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { ScalingRule } from './scaling-rule.ts';

/** Something that scaling has wanted of a group's provider or done there, and what it said. */
export const ScalingEvent = defineEntity({
  name: 'ScalingEvent',
  tableName: 'scaling_events',
  indexes: [{ name: 'scaling_events_rule_index', properties: ['rule', 'id'] }],
  properties: {
    id: p.bigint('string').primary(),
    rule: () => p.manyToOne(ScalingRule).mapToPk().fieldNames('account_id', 'container_group_id').deleteRule('cascade'),
    at: p.datetime().columnType('timestamptz(3)').defaultRaw('clock_timestamp()'),
    wanted: p.integer().strictNullable(),
    reason: p.text().strictNullable(),
    // The jobs of the group at that moment, where they were counted.
    pending: p.integer().strictNullable(),
    running: p.integer().strictNullable(),
    ok: p.boolean(),
    message: p.text(),
  },
});
export type ScalingEvent = InferEntity<typeof ScalingEvent>;
