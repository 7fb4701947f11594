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
  /** When it should ask again, if it is not told to before; in milliseconds. */
  askAgainMillis: number;
}

/** How often an agent asks by itself that no server can tell of work. */
const ASK_EVERY_MILLIS = 5_000;
/** How often one does that is connected, where there are few: its server looks after it. */
const ASK_EVERY_CONNECTED_MILLIS = 60_000;
/** Thousands that ask would cost a server more than all else, so each asks the less often: so many of them ask in a second, … */
const MOST_QUESTIONS_PER_SECOND = 20;
/** … but not more seldom than this: it is what heals whatever kept a server from calling an agent. */
const ASK_AT_LEAST_EVERY_MILLIS = 300_000;

/** @param connected how many agents are connected to the server of one that is */
export function askAgainMillis(connected: number): number {
  const takingTurns = Math.ceil(connected / MOST_QUESTIONS_PER_SECOND) * 1_000;
  return Math.min(ASK_AT_LEAST_EVERY_MILLIS, Math.max(ASK_EVERY_CONNECTED_MILLIS, takingTurns));
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
    const again = signals.isConnected(agent.id) ? askAgainMillis(signals.count()) : ASK_EVERY_MILLIS;
    return { job: undefined, signal, askAgainMillis: again };
  };
  // A question that was stuck on its way, as in a server that stood still: its answer would be heard by nobody, and a job be held by nobody until
  // its lease runs out. Who has just come to this server is greeted, and so asks again.
  if (signals.isElsewhere(agent)) return none(undefined);
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
