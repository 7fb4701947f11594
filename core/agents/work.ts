import type { Job } from '../../db/entities/job.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { askForJob } from '../leases/claim.ts';
import { seeAgent } from './alive.ts';
import { findAgent } from './register.ts';
import type { AgentSignal, AgentSignals } from './signals.ts';

/**
 * What a server has to tell an agent while it is connected; the agent's presence at the same time.
 * @throws NotFoundError when the account has no such agent
 */
export async function followSignals(
  core: Core,
  signals: AgentSignals,
  viewer: Viewer,
  { agentId, connection }: { agentId: string; connection: number | undefined },
): Promise<AsyncGenerator<AgentSignal, void, undefined>> {
  demand(viewer, 'work');
  return signals.subscribe(await findAgent(core, viewer, agentId), connection);
}

/** A job; or none. */
export type Work = { job: Job } | NoJob;

interface NoJob {
  job: undefined;
  /** Why there will be none: the agent is asked to leave, or its machine is banned from too many jobs. */
  signal: 'DRAIN' | 'REALLOCATE' | undefined;
  /** Whether it will be told when it should ask again. */
  isConnected: boolean;
}

/**
 * The next job for an agent's machine. What keeps it from getting any is told in the answer, for agents that ask over plain
 * requests, and as a signal.
 * @throws NotFoundError when the account has no such agent
 */
export async function claimForAgent(
  core: Core,
  signals: AgentSignals,
  viewer: Viewer,
  claim: { agentId: string; claimId: string | undefined },
): Promise<Work> {
  demand(viewer, 'work');
  const agent = await findAgent(core, viewer, claim.agentId);
  const none = (signal: NoJob['signal']): Work => {
    if (signal !== undefined) signals.tell(agent.id, { type: signal });
    return { job: undefined, signal, isConnected: signals.isConnected(agent.id) };
  };
  // Before it may hold a job: an agent that was not heard of for long may be forgotten at any moment.
  if (!signals.isConnected(agent.id)) await seeAgent(core, agent.id);
  // It has asked, so it has nothing to do: nothing is interrupted when it leaves now.
  if (agent.drainingAt !== null || agent.retiringAt !== null) return none('DRAIN');
  const { id: agentId, machineId, containerGroupId } = agent;
  const why = { isBarred: false };
  const job = await signals.claiming(agent, async () => {
    const claimed = await askForJob(core, viewer, { machineId, containerGroupId, agentId, claimId: claim.claimId });
    why.isBarred = claimed.isBarred;
    return claimed.job;
  });
  if (job !== undefined) return { job };
  return none(why.isBarred ? 'REALLOCATE' : undefined);
}
