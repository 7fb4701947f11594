import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';

const forgetStatement = statement<{ seconds: number; batch: number }, { id: string }>('forget-agents');

/** So many are removed in one transaction, so that nobody waits long for a row of it. */
const BATCH = 500;
const DAY_SECONDS = 86_400;

/**
 * Removes agents of which nothing was heard for so many days. Those that hold a job stay; one that comes back registers anew.
 * @returns how many there were
 */
export async function forgetAgents(core: Core, days: number): Promise<{ forgotten: number }> {
  let forgotten = 0;
  for (;;) {
    const removed = await forgetStatement(core.em.fork(), { seconds: days * DAY_SECONDS, batch: BATCH });
    forgotten += removed.length;
    if (removed.length < BATCH) return { forgotten };
  }
}
