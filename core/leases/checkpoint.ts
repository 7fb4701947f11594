import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';

/** What an attempt has published while its command ran: totals, and the newest keys in the order of their publication. */
export interface Checkpoints {
  files: number;
  bytes: string;
  newestKeys: readonly string[];
}

/** An event names at most so many keys, and counts the rest. */
export const MAX_KEYS = 10;

const saveStatement = statement<
  { account_id: string; job_id: string; attempt: number; files: number; bytes: string; keys: readonly string[] },
  { events: number }
>('save-checkpoint', { keepsPlan: true });

/**
 * Takes down what has been published since the last report, as one CHECKPOINT_SAVED. The same totals said again, and those of
 * an attempt that is fenced off, change nothing.
 * @returns how many events were appended: 0 or 1
 */
export async function saveCheckpoint(
  em: EntityManager,
  fence: { account_id: string; job_id: string; attempt: number },
  { files, bytes, newestKeys }: Checkpoints,
): Promise<number> {
  const { account_id, job_id, attempt } = fence;
  const keys = newestKeys.slice(-MAX_KEYS);
  const [saved] = await saveStatement(em, { account_id, job_id, attempt, files, bytes, keys });
  return saved?.events ?? 0;
}
