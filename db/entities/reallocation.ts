import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { ScalingRule } from './scaling-rule.ts';

/** When a machine was last given up for another one, or its provider asked to. */
export const Reallocation = defineEntity({
  name: 'Reallocation',
  tableName: 'reallocations',
  properties: {
    rule: () =>
      p.manyToOne(ScalingRule).mapToPk().primary().fieldNames('account_id', 'container_group_id').deleteRule('cascade'),
    machineId: p.text().primary(),
    at: p.datetime().columnType('timestamptz(3)').defaultRaw('clock_timestamp()'),
    // Whether the provider did it.
    ok: p.boolean().default(true),
  },
});
export type Reallocation = InferEntity<typeof Reallocation>;
