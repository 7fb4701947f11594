import { randomUUID } from 'node:crypto';
import { Agent } from '../../db/entities/agent.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { findAgent } from './register.ts';
import type { AgentSignals } from './signals.ts';

const connectStatement = statement<{ agent_id: string; connection_id: string; number: number | null }, { id: string }>(
  'connect-agent',
);
const seeStatement = statement<{ ids: readonly string[] }, { seen: number }>('see-agents');
const leavingStatement = statement<{ ids: readonly string[] }, { id: string; drains: boolean }>('leaving-agents');
const shortenStatement = statement<
  { agent_id: string; connection_id: string; grace_seconds: number },
  Record<string, never>
>('shorten-leases');
const disconnectStatement = statement<{ agent_id: string; connection_id: string }, Record<string, never>>(
  'disconnect-agent',
);

/** So many rows are held in one transaction: whoever connects meanwhile waits for no more. */
const SEEN_AT_ONCE = 1_000;

/**
 * From now on this connection stands for the agent's presence, and no older one does.
 * @param number as the agent counts its connections, where it does
 * @returns undefined when a newer connection stands for it already
 */
export async function connected(
  core: Core,
  agent: Pick<Agent, 'id'>,
  number: number | undefined,
): Promise<string | undefined> {
  const connectionId = randomUUID();
  const parameters = { agent_id: agent.id, connection_id: connectionId, number: number ?? null };
  const [known] = await connectStatement(core.em.fork(), parameters);
  return known && connectionId;
}

/** The connection is gone: the agent has `graceSeconds` to come back before its jobs go to others. */
export async function disconnected(
  core: Core,
  agent: Pick<Agent, 'id'>,
  connectionId: string,
  graceSeconds: number,
): Promise<void> {
  const parameters = { agent_id: agent.id, connection_id: connectionId, grace_seconds: graceSeconds };
  await shortenStatement(core.em.fork(), parameters);
  // Afterwards, in a statement of its own: what is shortened is found by the connection, and rows are locked one after the other.
  await disconnectStatement(core.em.fork(), { agent_id: agent.id, connection_id: connectionId });
}

/**
 * Asks an agent to leave: to stop its command, save what is there, give its job back, and end.
 * @throws NotFoundError when the account has no such agent
 */
export async function drainAgent(core: Core, viewer: Viewer, id: string): Promise<Agent> {
  demand(viewer, 'submit');
  const found = await findAgent(core, viewer, id);
  return transact(core, async (em) => {
    const agent = await em.findOneOrFail(Agent, { id: found.id });
    agent.drainingAt ??= new Date();
    return agent;
  });
}

/** Writes down that the agents that are connected to this server were seen. */
export async function recordPresence(core: Core, signals: Pick<AgentSignals, 'connected'>): Promise<{ seen: number }> {
  const ids = signals.connected();
  let seen = 0;
  for (let from = 0; from < ids.length; from += SEEN_AT_ONCE) {
    const [row] = await seeStatement(core.em.fork(), { ids: ids.slice(from, from + SEEN_AT_ONCE) });
    seen += row?.seen ?? 0;
  }
  return { seen };
}

/**
 * Tells the agents that are connected to this server and asked to leave. Those that may finish what they have are made to ask for work
 * once more: one that is idle is then told to leave.
 */
export async function signalLeaving(
  core: Core,
  signals: AgentSignals,
): Promise<{ draining: number; retiring: number }> {
  const ids = signals.connected();
  if (ids.length === 0) return { draining: 0, retiring: 0 };
  const leaving = await leavingStatement(core.em.fork(), { ids });
  for (const { id, drains } of leaving) signals.tell(id, { type: drains ? 'DRAIN' : 'WORK_AVAILABLE' });
  const draining = leaving.filter(({ drains }) => drains).length;
  return { draining, retiring: leaving.length - draining };
}
