import type { Agent } from '../../db/entities/agent.ts';
import type { JobEvent } from '../../db/entities/job-event.ts';
import { latest, readerOf, type Latest } from '../../lib/latest.ts';
import type { Feed } from '../events/feed.ts';

export type AgentSignal = { type: 'WORK_AVAILABLE' } | { type: 'CANCEL'; jobId: string; attempt: number };

/** Wakes agents that wait for work, and tells agents that their job was cancelled. A hint: an agent also asks by itself. */
export interface AgentSignals {
  /** The signals of one connected agent, until its reader stops. Unread ones are kept once each. */
  subscribe(agent: Agent): AsyncGenerator<AgentSignal, void, undefined>;
  /**
   * Runs an agent's claim. An agent that got nothing waits for a signal; work that came while it was asking is signalled at
   * once, so that nothing falls between the asking and the waiting.
   */
  claiming<Result>(agent: Agent, claim: () => Promise<Result | undefined>): Promise<Result | undefined>;
  /** Ids of the agents that are connected to this server. */
  connected(): string[];
}

interface Listener {
  agent: Agent;
  signals: Latest<AgentSignal[]>;
}

interface Group {
  /** How often work has come: an asker compares before and after. */
  arrivals: number;
  /** In the order in which they began to wait. */
  waiting: Set<string>;
}

/** One piece of work wakes a few agents, not one: the first might be banned from it, or dead; and not all: most would find none. */
const WAKE_PER_JOB = 4;

export function createAgentSignals(feed: Feed): AgentSignals {
  const listeners = new Map<string, Listener>();
  const groups = new Map<string, Group>();

  const groupOf = (key: string): Group => {
    const group = groups.get(key) ?? { arrivals: 0, waiting: new Set<string>() };
    groups.set(key, group);
    return group;
  };
  const signal = (agentId: string, ...signals: AgentSignal[]): void => listeners.get(agentId)?.signals.push(signals);

  const workArrived = (event: JobEvent): void => {
    const group = groups.get(keyOf(event));
    if (group === undefined) return;
    group.arrivals += 1;
    for (const agentId of [...group.waiting].slice(0, WAKE_PER_JOB)) {
      group.waiting.delete(agentId);
      signal(agentId, { type: 'WORK_AVAILABLE' });
    }
  };

  feed.listen((event) => {
    if (makesClaimable(event)) workArrived(event);
    if (event.type === 'CANCELED' && event.attempt !== null && typeof event.data.agentId === 'string') {
      signal(event.data.agentId, { type: 'CANCEL', jobId: event.jobId, attempt: event.attempt });
    }
  });

  async function* signalsOf(listener: Listener): AsyncGenerator<AgentSignal, void, undefined> {
    const { agent } = listener;
    listeners.set(agent.id, listener);
    groupOf(keyOf(agent)).waiting.add(agent.id);
    try {
      for await (const signals of listener.signals) yield* signals;
    } finally {
      // A session that has reconnected already has a newer listener under the same id.
      if (listeners.get(agent.id) === listener) {
        listeners.delete(agent.id);
        groups.get(keyOf(agent))?.waiting.delete(agent.id);
      }
    }
  }

  return {
    subscribe(agent) {
      const listener = { agent, signals: latest<AgentSignal[]>(union) };
      return readerOf(listener.signals, signalsOf(listener));
    },
    async claiming(agent, claim) {
      const group = groupOf(keyOf(agent));
      const before = group.arrivals;
      const got = await claim();
      if (got !== undefined) group.waiting.delete(agent.id);
      else if (group.arrivals !== before) signal(agent.id, { type: 'WORK_AVAILABLE' });
      else if (listeners.has(agent.id)) group.waiting.add(agent.id);
      return got;
    },
    connected: () => [...listeners.keys()],
  };
}

function makesClaimable(event: JobEvent): boolean {
  return (
    event.type === 'SUBMITTED' ||
    event.type === 'RETRIED' ||
    (event.type === 'ATTEMPT_ENDED' && event.data.status === 'PENDING')
  );
}

function keyOf(of: { accountId: string; containerGroupId: string }): string {
  return `${of.accountId}\0${of.containerGroupId}`;
}

/** Each signal once: an agent has few jobs, so this stays short. */
function union(unread: AgentSignal[], next: AgentSignal[]): AgentSignal[] {
  const byText = new Map([...unread, ...next].map((signal) => [JSON.stringify(signal), signal]));
  return [...byText.values()];
}
