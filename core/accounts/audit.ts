import { AuditEvent, type AuditAction } from '../../db/entities/audit-event.ts';
import type { EntityManager } from '../../db/orm.ts';
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
