import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import type { AgentSignals } from './signals.ts';
import { keyOf } from './waiting-room.ts';

const pendingStatement = statement<
  { account_ids: readonly string[]; group_ids: readonly string[]; most: number },
  { account_id: string; container_group_id: string; job_ids: string[] }
>('pending-in-groups');

/** Of a group so many jobs are looked at: those behind them have their turn when these are taken. */
const MOST_JOBS = 16;
/** So many groups are looked at, in turns: one server may have thousands of them, each with an agent or two. */
const MOST_GROUPS = 500;

/**
 * Looks whether work waits although agents do that are connected to this server, and calls some of them: those that were called when it
 * came might be banned from it, or rest, or be gone. This, and not each agent's own asking, is the polling that makes up for lost signals:
 * one statement for all of them.
 * @returns how many were called
 */
export async function callForWaiting(core: Core, signals: AgentSignals): Promise<{ called: number }> {
  const groups = signals.waiting(MOST_GROUPS);
  if (groups.length === 0) return { called: 0 };
  const found = await pendingStatement(core.em.fork(), {
    account_ids: groups.map(({ accountId }) => accountId),
    group_ids: groups.map(({ containerGroupId }) => containerGroupId),
    most: MOST_JOBS,
  });
  const jobsOf = new Map(
    found.map((row) => [keyOf({ accountId: row.account_id, containerGroupId: row.container_group_id }), row.job_ids]),
  );
  const called = groups.map((group) => signals.callFor(group, jobsOf.get(keyOf(group)) ?? []));
  return { called: called.reduce((sum, count) => sum + count, 0) };
}
