import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';

const forgetStatement = statement<{ seconds: number; batch: number }, { id: string }>('forget-agents');

const forgetSurplusStatement = statement<
  { seconds: number; per_group: number; per_account: number; batch: number },
  { id: string }
>('forget-surplus-agents');

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

/** How many agents that are gone are kept. */
export interface KeptGone {
  perGroup: number;
  perAccount: number;
  /** An agent counts as gone when nothing was heard of it for so many seconds: longer than a server takes to start. */
  afterSeconds: number;
}

const KEPT_GONE: KeptGone = { perGroup: 5_000, perAccount: 20_000, afterSeconds: 300 };

/**
 * Removes of the agents that are gone what is beyond these bounds, the oldest first: who makes up sessions fills no disk. Those that hold a
 * job stay; one that comes back registers anew.
 * @returns how many there were
 */
export async function forgetSurplusAgents(core: Core, kept: KeptGone = KEPT_GONE): Promise<{ forgotten: number }> {
  const { perGroup: per_group, perAccount: per_account, afterSeconds: seconds } = kept;
  let forgotten = 0;
  for (;;) {
    const removed = await forgetSurplusStatement(core.em.fork(), { seconds, per_group, per_account, batch: BATCH });
    forgotten += removed.length;
    if (removed.length < BATCH) return { forgotten };
  }
}
