import type { Job } from '../../db/entities/job.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { BANS_TO_REALLOCATE, countBans } from '../jobs/bans.ts';
import { claimJob } from '../leases/claim.ts';
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
  agentId: string,
): Promise<AsyncGenerator<AgentSignal, void, undefined>> {
  demand(viewer, 'work');
  return signals.subscribe(await findAgent(core, viewer, agentId));
}

/**
 * The next job for an agent's machine; undefined when there is none, when the agent is asked to leave, or when its machine is
 * banned from too many jobs (it is told which).
 * @throws NotFoundError when the account has no such agent
 */
export async function claimForAgent(
  core: Core,
  signals: AgentSignals,
  viewer: Viewer,
  claim: { agentId: string; claimId: string | undefined },
): Promise<Job | undefined> {
  demand(viewer, 'work');
  const agent = await findAgent(core, viewer, claim.agentId);
  if (agent.drainingAt !== null) {
    signals.tell(agent.id, { type: 'DRAIN' });
    return undefined;
  }
  const { id: agentId, machineId, containerGroupId } = agent;
  const job = await signals.claiming(agent, () =>
    claimJob(core, viewer, { machineId, containerGroupId, agentId, claimId: claim.claimId }),
  );
  if (job === undefined && (await countBans(core, viewer, machineId)) >= BANS_TO_REALLOCATE) {
    signals.tell(agent.id, { type: 'REALLOCATE' });
  }
  return job;
}
