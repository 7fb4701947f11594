import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Account } from './account.ts';

/** How many replicas a container group should have, as a function of its queue. */
export const ScalingRule = defineEntity({
  name: 'ScalingRule',
  tableName: 'scaling_rules',
  checks: [{ name: 'scaling_rules_range_check', expression: '0 <= min_replicas and min_replicas <= max_replicas' }],
  properties: {
    accountId: () => p.manyToOne(Account).mapToPk().primary().fieldNames('account_id').deleteRule('cascade'),
    containerGroupId: p.text().primary(),
    minReplicas: p.integer(),
    maxReplicas: p.integer(),
    idleThresholdSeconds: p.integer(),
    // Of the key that made the rule: where a provider would look for the group.
    orgName: p.text().strictNullable(),
    projectName: p.text().strictNullable(),
    createdAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
    updatedAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
  },
});
export type ScalingRule = InferEntity<typeof ScalingRule>;
