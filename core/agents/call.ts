import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import type { AgentSignals } from './signals.ts';

const pendingStatement = statement<
  { account_ids: readonly string[]; group_ids: readonly string[]; most: number },
  { account_id: string; container_group_id: string; pending: number }
>('pending-in-groups');

/** So many agents of a group are called at a look: should none of them be allowed any of the jobs, others are at the next. */
const MOST_CALLED = 16;

/**
 * Looks whether work waits although agents do that are connected to this server, and calls some of them: those that were called when it
 * came might be banned from it, or rest, or be gone. This, and not each agent's own asking, is the polling that makes up for lost signals:
 * one statement for all of them.
 * @returns how many were called
 */
export async function callForWaiting(core: Core, signals: AgentSignals): Promise<{ called: number }> {
  const groups = signals.waiting();
  if (groups.length === 0) return { called: 0 };
  const found = await pendingStatement(core.em.fork(), {
    account_ids: groups.map(({ accountId }) => accountId),
    group_ids: groups.map(({ containerGroupId }) => containerGroupId),
    most: MOST_CALLED,
  });
  const called = found.map((row) =>
    signals.call({ accountId: row.account_id, containerGroupId: row.container_group_id }, row.pending),
  );
  return { called: called.reduce((sum, count) => sum + count, 0) };
}
