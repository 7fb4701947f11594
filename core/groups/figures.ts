import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { GONE_AFTER_SECONDS } from '../agents/alive.ts';
import type { AgentState } from '../agents/find.ts';
import type { Core } from '../core.ts';

/** One container group at one moment. "Of the last day" is of the last 24 hours, by the database's clock. */
export interface GroupFigures {
  id: string;
  pending: number;
  /** The queue, highest priority first. */
  pendingByPriority: { priority: number; pending: number }[];
  /** When the pending job that was submitted first was submitted. */
  oldestPendingAt: Date | null;
  running: number;
  /** Of the last day. */
  completed: number;
  failed: number;
  canceled: number;
  completedLastHour: number;
  agents: Record<Lowercase<AgentState>, number>;
  /** Of the last jobs that completed within the last day, on all machines together, in seconds. */
  medianRunSeconds: number | null;
  /** How many jobs that median is of. */
  sampledJobs: number;
  /** See `secondsToEmpty`. */
  emptyInSeconds: number | null;
}

interface Row {
  id: string;
  pending: number;
  by_priority: { priority: number; pending: number }[];
  oldest_pending_at: string | Date | null;
  running: number;
  completed: number;
  completed_last_hour: number;
  failed: number;
  canceled: number;
  idle: number;
  busy: number;
  draining: number;
  gone: number;
  sampled_jobs: number;
  median_run_seconds: number | null;
}

const figuresStatement = statement<
  { account_id: string; ids: readonly string[]; gone_after_seconds: number; sample: number },
  Row
>('group-figures');

const groupsStatement = statement<{ account_id: string; after: string | null; limit: number }, { id: string }>(
  'list-groups',
);

/** The median is of at most so many jobs. */
const SAMPLE = 100;

/**
 * Container groups of the viewer's own account (the admin's too), each as it is now. One that the account has nothing of is empty:
 * a group exists by being named.
 * @throws ForbiddenError when the key may not read
 */
export async function groupFigures(core: Core, viewer: Viewer, ids: readonly string[]): Promise<GroupFigures[]> {
  demand(viewer, 'read');
  if (ids.length === 0) return [];
  const rows = await figuresStatement(core.em.fork(), {
    account_id: viewer.accountId,
    ids,
    gone_after_seconds: GONE_AFTER_SECONDS,
    sample: SAMPLE,
  });
  return rows.map(figuresOf);
}

/** Groups that the account has jobs or agents of, in the order of their ids. */
export async function listGroups(
  core: Core,
  viewer: Viewer,
  page: { after?: string | undefined; limit: number },
): Promise<GroupFigures[]> {
  demand(viewer, 'read');
  const parameters = { account_id: viewer.accountId, after: page.after ?? null, limit: page.limit };
  const rows = await groupsStatement(core.em.fork(), parameters);
  return groupFigures(
    core,
    viewer,
    rows.map(({ id }) => id),
  );
}

function figuresOf(row: Row): GroupFigures {
  const { id, pending, running, completed, failed, canceled, idle, busy, draining, gone } = row;
  return {
    ...{ id, pending, running, completed, failed, canceled },
    pendingByPriority: row.by_priority,
    oldestPendingAt: row.oldest_pending_at === null ? null : new Date(row.oldest_pending_at),
    completedLastHour: row.completed_last_hour,
    agents: { idle, busy, draining, gone },
    medianRunSeconds: row.median_run_seconds,
    sampledJobs: row.sampled_jobs,
    emptyInSeconds: secondsToEmpty({ pending, agents: idle + busy, medianRunSeconds: row.median_run_seconds }),
  };
}

/**
 * How long until nothing waits any more, in seconds: pending jobs × the median of what a job takes ÷ agents that take work. It
 * supposes that jobs to come are like those that have completed, and that the fleet stays as it is. Null when that can't be told:
 * no agent takes work, or nothing has completed within the last day.
 */
export function secondsToEmpty(of: {
  pending: number;
  agents: number;
  medianRunSeconds: number | null;
}): number | null {
  if (of.pending === 0) return 0;
  if (of.agents === 0 || of.medianRunSeconds === null) return null;
  return (of.pending * of.medianRunSeconds) / of.agents;
}
