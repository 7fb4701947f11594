import type { EntityData } from '@mikro-orm/core';
import { Agent } from '../../db/entities/agent.ts';
import { Job } from '../../db/entities/job.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { GONE_AFTER_SECONDS } from './alive.ts';

export type AgentState = 'IDLE' | 'BUSY' | 'DRAINING' | 'GONE';

/** An agent, and what it was doing when the database was asked. */
export interface SeenAgent {
  agent: Agent;
  state: AgentState;
}

/** Which agents: every part that is given must hold. */
export interface AgentFilter {
  ids?: readonly string[] | undefined;
  containerGroupId?: string | undefined;
  machineId?: string | undefined;
  states?: readonly AgentState[] | undefined;
}

/** The agent after which a page begins. */
export interface AgentPlace {
  registeredAt: Date;
  id: string;
}

interface ListParameters {
  account_id: string | null;
  ids: readonly string[] | null;
  container_group_id: string | null;
  machine_id: string | null;
  states: readonly string[] | null;
  after_at: Date | null;
  after_id: string | null;
  gone_after_seconds: number;
  limit: number;
}

const listStatement = statement<
  { [name in keyof ListParameters]: ListParameters[name] },
  EntityData<Agent> & { state: AgentState }
>('list-agents');

/**
 * Agents of the viewer's account, the last registered first; the admin's are everybody's.
 * @throws ForbiddenError when the key may not read
 */
export async function listAgents(
  core: Core,
  viewer: Viewer,
  filter: AgentFilter,
  page: { after?: AgentPlace | undefined; limit: number },
): Promise<SeenAgent[]> {
  demand(viewer, 'read');
  const em = core.em.fork();
  const rows = await listStatement(em, {
    account_id: viewer.isAdmin ? null : viewer.accountId,
    ids: filter.ids ?? null,
    container_group_id: filter.containerGroupId ?? null,
    machine_id: filter.machineId ?? null,
    states: filter.states ?? null,
    after_at: page.after?.registeredAt ?? null,
    after_id: page.after?.id ?? null,
    gone_after_seconds: GONE_AFTER_SECONDS,
    limit: page.limit,
  });
  return rows.map(({ state, ...row }) => ({ agent: em.map(Agent, row), state }));
}

/** These agents of the viewer's account, by id, those that are still known. */
export async function findAgents(core: Core, viewer: Viewer, ids: readonly string[]): Promise<Map<string, SeenAgent>> {
  if (ids.length === 0) return new Map();
  const seen = await listAgents(core, viewer, { ids: [...new Set(ids)] }, { limit: ids.length });
  return new Map(seen.map((one) => [one.agent.id, one]));
}

const heldStatement = statement<{ agent_ids: readonly string[] }, { agent_id: string; job_id: string }>('held-jobs');

/**
 * The jobs that agents of the viewer's account hold, by agent id, in the order of their submission.
 * @throws ForbiddenError when the key may not read
 */
export async function heldJobs(core: Core, viewer: Viewer, agentIds: readonly string[]): Promise<Map<string, Job[]>> {
  demand(viewer, 'read');
  const em = core.em.fork();
  const held = await heldStatement(em, { agent_ids: agentIds });
  if (held.length === 0) return new Map();
  const ids = held.map((row) => row.job_id);
  const owned = viewer.isAdmin ? {} : { accountId: viewer.accountId };
  const jobs = await em.find(Job, { id: { $in: ids }, ...owned }, { orderBy: { position: 'asc' } });
  const agentOf = new Map(held.map((row) => [row.job_id, row.agent_id]));
  return Map.groupBy(jobs, (job) => agentOf.get(job.id) ?? '');
}
