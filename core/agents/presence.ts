import { Agent } from '../../db/entities/agent.ts';
import type { Core } from '../core.ts';
import type { AgentSignals } from './signals.ts';

/** Writes down that the agents that are connected to this server were seen. */
export async function recordPresence(core: Core, signals: AgentSignals): Promise<{ seen: number }> {
  const ids = signals.connected();
  if (ids.length === 0) return { seen: 0 };
  const seen = await core.em.fork().nativeUpdate(Agent, { id: { $in: ids } }, { lastSeenAt: new Date() });
  return { seen };
}
