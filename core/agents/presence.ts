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
const seeStatement = statement<{ ids: readonly string[] }, { id: string }>('see-agents');
const shortenStatement = statement<
  { agent_id: string; connection_id: string; grace_seconds: number },
  Record<string, never>
>('shorten-leases');

/**
 * From now on this connection stands for the agent's presence, and no older one does.
 * @param number as the agent counts its connections, where it does
 * @returns undefined when a newer connection stands for it already
 */
export async function connected(core: Core, agent: Agent, number: number | undefined): Promise<string | undefined> {
  const connectionId = randomUUID();
  const parameters = { agent_id: agent.id, connection_id: connectionId, number: number ?? null };
  const [known] = await connectStatement(core.em.fork(), parameters);
  return known && connectionId;
}

/** The connection is gone: the agent has `graceSeconds` to come back before its jobs go to others. */
export async function disconnected(
  core: Core,
  agent: Agent,
  connectionId: string,
  graceSeconds: number,
): Promise<void> {
  const parameters = { agent_id: agent.id, connection_id: connectionId, grace_seconds: graceSeconds };
  await shortenStatement(core.em.fork(), parameters);
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
export async function recordPresence(core: Core, signals: AgentSignals): Promise<{ seen: number }> {
  const ids = signals.connected();
  if (ids.length === 0) return { seen: 0 };
  const seen = await seeStatement(core.em.fork(), { ids });
  return { seen: seen.length };
}

/** Tells the agents that are connected to this server and asked to leave. */
export async function signalDrains(core: Core, signals: AgentSignals): Promise<{ draining: number }> {
  const ids = signals.connected();
  if (ids.length === 0) return { draining: 0 };
  const draining = await core.em
    .fork()
    .find(Agent, { id: { $in: ids }, drainingAt: { $ne: null } }, { fields: ['id'] });
  for (const { id } of draining) signals.tell(id, { type: 'DRAIN' });
  return { draining: draining.length };
}

/** Makes the agents that are connected to this server and retiring ask for work once more: one that is idle is then told to leave. */
export async function signalRetirements(core: Core, signals: AgentSignals): Promise<{ retiring: number }> {
  const ids = signals.connected();
  if (ids.length === 0) return { retiring: 0 };
  const retiring = await core.em
    .fork()
    .find(Agent, { id: { $in: ids }, retiringAt: { $ne: null } }, { fields: ['id'] });
  for (const { id } of retiring) signals.tell(id, { type: 'WORK_AVAILABLE' });
  return { retiring: retiring.length };
}
