import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { ScalingRule } from './scaling-rule.ts';

/** When a machine was last given up for another one. */
export const Reallocation = defineEntity({
  name: 'Reallocation',
  tableName: 'reallocations',
  properties: {
    rule: () =>
      p.manyToOne(ScalingRule).mapToPk().primary().fieldNames('account_id', 'container_group_id').deleteRule('cascade'),
    machineId: p.text().primary(),
    at: p.datetime().columnType('timestamptz(3)').defaultRaw('clock_timestamp()'),
  },
});
export type Reallocation = InferEntity<typeof Reallocation>;
