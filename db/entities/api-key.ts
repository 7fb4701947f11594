import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Account } from './account.ts';

export const apiKeyRoles = ['OWNER', 'SUBMITTER', 'AGENT', 'VIEWER'] as const;
export type ApiKeyRole = (typeof apiKeyRoles)[number];

/**
 * A secret that a person or an agent presents. Its hash is looked up; its encrypted form exists because webhooks must
 * carry the key itself back to the person who submitted the job.
 */
export const ApiKey = defineEntity({
  name: 'ApiKey',
  tableName: 'api_keys',
  indexes: [{ name: 'api_keys_account_id_index', properties: ['accountId'] }],
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    accountId: () => p.manyToOne(Account).mapToPk().fieldNames('account_id').deleteRule('cascade'),
    hash: p.text().unique(),
    encrypted: p.text(),
    role: p.enum(apiKeyRoles).nativeEnumName('api_key_role'),
    name: p.text().strictNullable(),
    // Whose container groups it is about, for a provider of machines.
    orgName: p.text().strictNullable(),
    projectName: p.text().strictNullable(),
    createdAt: p.datetime().columnType('timestamptz(3)').defaultRaw('now()'),
    expiresAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
    revokedAt: p.datetime().columnType('timestamptz(3)').strictNullable(),
  },
});
export type ApiKey = InferEntity<typeof ApiKey>;
