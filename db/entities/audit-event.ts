import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

const auditActions = [
  'ACCOUNT_CREATED',
  'ACCOUNTS_CLEARED',
  'KEY_CREATED',
  'KEY_REVOKED',
  'RULE_CREATED',
  'RULE_UPDATED',
  'RULE_DELETED',
  'RULES_CLEARED',
  'JOBS_PURGED',
  'JOBS_CLEARED',
  'KEY_RESTORED',
] as const;
export type AuditAction = (typeof auditActions)[number];

/**
 * Who has done what that an owner may have to look up later. It outlives keys and accounts, so there is no foreign key. `keyId` is
 * null for what the operator did on the server's own machine.
 */
export const AuditEvent = defineEntity({
  name: 'AuditEvent',
  tableName: 'audit_events',
  indexes: [{ name: 'audit_events_account_id_index', properties: ['accountId', 'position'] }],
  properties: {
    position: p.bigint('string').primary(),
    accountId: p.uuid(),
    keyId: p.uuid().strictNullable(),
    action: p.enum(auditActions).nativeEnumName('audit_action'),
    data: p.json().$type<Record<string, unknown>>(),
    at: p.datetime().columnType('timestamptz(3)').defaultRaw('clock_timestamp()'),
  },
});
export type AuditEvent = InferEntity<typeof AuditEvent>;
