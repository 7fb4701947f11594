import { AuditEvent, type AuditAction } from '../../db/entities/audit-event.ts';
import type { ApiKey } from '../../db/entities/api-key.ts';
import { databaseNow, type EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';

/** An account's newest are kept. */
const MOST_KEPT = 10_000;
/** Of what is written down with an event, as JSON. */
const MAX_DATA_CHARACTERS = 2_000;

const trimStatement = statement<{ account_id: string; most: number }, { position: string }>('trim-audit');

/** What is written down. Ids and names only, never a secret. */
export interface AuditEntry {
  accountId: string;
  /** The key with which it was done; null for the operator. */
  keyId: string | null;
  action: AuditAction;
  data: Record<string, unknown>;
}

/** Writes down who has done what, in the transaction that does it. */
export async function recordAudit(em: EntityManager, entry: AuditEntry): Promise<void> {
  const isShort = JSON.stringify(entry.data).length <= MAX_DATA_CHARACTERS;
  await em.insert(AuditEvent, { ...entry, data: isShort ? entry.data : { omitted: 'It was too long to be kept' } });
  await trimStatement(em, { account_id: entry.accountId, most: MOST_KEPT });
}

/** Revokes a key, and writes that down, once. @param by id of the key with which it is done; null for the operator */
export async function endKey(em: EntityManager, key: ApiKey, by: string | null): Promise<void> {
  if (key.revokedAt !== null) return;
  key.revokedAt = await databaseNow(em);
  const data = { keyId: key.id, role: key.role, ...(key.name !== null && { name: key.name }) };
  await recordAudit(em, { accountId: key.accountId, keyId: by, action: 'KEY_REVOKED', data });
}
