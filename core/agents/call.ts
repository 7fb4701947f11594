import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { BANS_TO_REALLOCATE } from '../jobs/bans.ts';
import type { AgentSignals } from './signals.ts';
import { keyOf, type Waiter, type WaitingGroup } from './waiting-room.ts';

const pendingStatement = statement<
  { account_ids: readonly string[]; group_ids: readonly string[]; most: number },
  { account_id: string; container_group_id: string; jobs: number }
>('pending-in-groups');

const withWorkStatement = statement<
  {
    agent_ids: readonly string[];
    account_ids: readonly string[];
    group_ids: readonly string[];
    machine_ids: readonly string[];
    bans_to_reallocate: number;
  },
  { agent_id: string }
>('agents-with-work');

/** So many groups are looked at, in turns: one server may have thousands of them, each with an agent or two. */
const MOST_GROUPS = 500;
/** For no more jobs of a group agents are called at a time: no look makes more ask than a server answers in passing. */
const MOST_JOBS = 100;
/** Of so many agents is asked whether there is work for them, of each group its share; others have their turn at the next look. */
const MOST_AGENTS = 500;

/** A group in which jobs and agents wait. */
interface Look {
  group: WaitingGroup;
  jobs: number;
  waiters: Waiter[];
}

/**
 * Looks whether work waits although agents do that are connected to this server and may have it, and calls some of them: those that were
 * called when it came might be banned from it, or rest, or be gone. This, and not each agent's own asking, is the polling that makes up for
 * lost signals: two statements for all of them.
 * @returns how many were called
 */
export async function callForWaiting(core: Core, signals: AgentSignals): Promise<{ called: number }> {
  const looks = await findWork(core, signals);
  if (looks.length === 0) return { called: 0 };
  const allowed = await findAllowed(core, looks);
  let called = 0;
  for (const { group, jobs, waiters } of looks) called += signals.callAmong(group, { waiters, allowed, jobs });
  return { called };
}

async function findWork(core: Core, signals: AgentSignals): Promise<Look[]> {
  const groups = signals.waiting(MOST_GROUPS);
  if (groups.length === 0) return [];
  const found = await pendingStatement(core.em.fork(), {
    account_ids: groups.map(({ accountId }) => accountId),
    group_ids: groups.map(({ containerGroupId }) => containerGroupId),
    most: MOST_JOBS,
  });
  const jobsIn = new Map(
    found.map((row) => [keyOf({ accountId: row.account_id, containerGroupId: row.container_group_id }), row.jobs]),
  );
  const share = Math.ceil(MOST_AGENTS / Math.max(1, jobsIn.size));
  const looks: Look[] = [];
  for (const group of groups) {
    const jobs = jobsIn.get(keyOf(group));
    if (jobs === undefined) signals.foundNothing(group);
    else looks.push({ group, jobs, waiters: signals.waitersIn(group, share) });
  }
  return looks;
}

async function findAllowed(core: Core, looks: readonly Look[]): Promise<ReadonlySet<string>> {
  const asked = looks.flatMap(({ group, waiters }) => waiters.map((waiter) => ({ ...waiter, ...group })));
  const rows = await withWorkStatement(core.em.fork(), {
    agent_ids: asked.map(({ agentId }) => agentId),
    account_ids: asked.map(({ accountId }) => accountId),
    group_ids: asked.map(({ containerGroupId }) => containerGroupId),
    machine_ids: asked.map(({ machineId }) => machineId),
    bans_to_reallocate: BANS_TO_REALLOCATE,
  });
  return new Set(rows.map(({ agent_id }) => agent_id));
}
