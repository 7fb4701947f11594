import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Account } from './account.ts';

/** How many replicas a container group should have, as a function of its queue. */
export const ScalingRule = defineEntity({
  name: 'ScalingRule',
  tableName: 'scaling_rules',
  checks: [{ name: 'scaling_rules_range_check', expression: '0 <= min_replicas and min_replicas <= max_replicas' }],
  indexes: [{ name: 'scaling_rules_due_index', properties: ['nextActionAt'] }],
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
    // As the provider calls the group.
    groupName: p.text().strictNullable(),
    // The provider's own identity of the group: rules of several accounts can't act on one group. Null until it is known.
    groupIdentity: p.text().unique().strictNullable(),
    wanted: p.integer().strictNullable(),
    reason: p.text().strictNullable(),
    decidedAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    answerOk: p.boolean().strictNullable(),
    answer: p.text().strictNullable(),
    answeredAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    // Null: not before somebody changes the rule, because the provider has no such group.
    nextActionAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()').strictNullable(),
    // Of the provider, in a row.
    failures: p.integer().default(0),
    orphanedAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    // The server whose turn it is, and when another one may take it over.
    turn: p.uuid().strictNullable(),
    turnEndsAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
  },
});
export type ScalingRule = InferEntity<typeof ScalingRule>;
