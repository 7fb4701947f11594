import type { Agent } from '../../db/entities/agent.ts';
import type { JobEvent } from '../../db/entities/job-event.ts';
import { latest, readerOf, type Latest } from '../../lib/latest.ts';
import type { Feed } from '../events/feed.ts';

export type AgentSignal =
  | { type: 'WORK_AVAILABLE' }
  | { type: 'DRAIN' }
  | { type: 'REALLOCATE' }
  | { type: 'CANCEL'; jobId: string; attempt: number };

/** Wakes agents that wait for work, and tells agents that their job was cancelled. A hint: an agent also asks by itself. */
export interface AgentSignals {
  /**
   * The signals of one connected agent, until its reader stops; none for a connection that is older than the one that is known.
   * Unread ones are kept once each.
   * @param connection as the agent counts them
   */
  subscribe(agent: Agent, connection?: number): AsyncGenerator<AgentSignal, void, undefined>;
  /**
   * Runs an agent's claim. An agent that got nothing waits for a signal; work that came while it was asking is signalled at
   * once, so that nothing falls between the asking and the waiting.
   */
  claiming<Result>(agent: Agent, claim: () => Promise<Result | undefined>): Promise<Result | undefined>;
  /** Ids of the agents that are connected to this server. */
  connected(): string[];
  isConnected(agentId: string): boolean;
  /** Tells one agent, if it is connected to this server; the same thing twice only after it was read. */
  tell(agentId: string, signal: AgentSignal): void;
  /** This server is about to close its sockets: no agent is to lose a lease over that. */
  closing(): void;
}

/** What a connection's beginning and end mean for the agent's leases. */
export interface Presence {
  /** @returns undefined when a newer connection stands for the agent already */
  connected(agent: Agent, number: number | undefined): Promise<string | undefined>;
  disconnected(agent: Agent, connectionId: string): Promise<void>;
}

interface Listener {
  agent: Agent;
  connection: number | undefined;
  signals: Latest<AgentSignal[]>;
}

/** One piece of work wakes a few agents, not one: the first might be banned from it, or dead; and not all: most would find none. */
const WAKE_PER_JOB = 4;

export function createAgentSignals(feed: Feed, presence: Presence): AgentSignals {
  let isClosing = false;
  const listeners = new Map<string, Listener>();
  const room = createWaitingRoom();
  const signal = (agentId: string, ...signals: AgentSignal[]): void => listeners.get(agentId)?.signals.push(signals);

  feed.listen((event) => {
    if (makesClaimable(event)) {
      for (const agentId of room.callUp(event, WAKE_PER_JOB)) signal(agentId, { type: 'WORK_AVAILABLE' });
    }
    if (event.type === 'CANCELED' && event.attempt !== null && typeof event.data.agentId === 'string') {
      signal(event.data.agentId, { type: 'CANCEL', jobId: event.jobId, attempt: event.attempt });
    }
  });

  async function* signalsOf(listener: Listener): AsyncGenerator<AgentSignal, void, undefined> {
    const { agent } = listener;
    const connectionId = await presence.connected(agent, listener.connection);
    if (connectionId === undefined) return;
    listeners.set(agent.id, listener);
    room.open(agent);
    // Work that came before the agent listened was told to nobody: it should look once. It waits when it has found nothing.
    signal(agent.id, { type: 'WORK_AVAILABLE' });
    try {
      for await (const signals of listener.signals) yield* signals;
    } finally {
      // A session that has reconnected already has a newer listener under the same id.
      if (listeners.get(agent.id) === listener) {
        listeners.delete(agent.id);
        room.leave(agent);
      }
      room.close(agent);
      if (!isClosing) await presence.disconnected(agent, connectionId);
    }
  }

  return {
    subscribe(agent, connection) {
      const listener = { agent, connection, signals: latest<AgentSignal[]>(union) };
      return readerOf(listener.signals, signalsOf(listener));
    },
    async claiming(agent, claim) {
      if (!listeners.has(agent.id)) return claim();
      const before = room.arrivals(agent);
      const got = await claim();
      if (got !== undefined) room.leave(agent);
      else if (room.arrivals(agent) !== before) signal(agent.id, { type: 'WORK_AVAILABLE' });
      else if (listeners.has(agent.id)) room.enter(agent);
      return got;
    },
    ...{ connected: () => [...listeners.keys()], isConnected: (agentId) => listeners.has(agentId), tell: signal },
    closing: () => (isClosing = true),
  };
}

function makesClaimable(event: JobEvent): boolean {
  return (
    event.type === 'SUBMITTED' ||
    event.type === 'BAN_LIFTED' ||
    event.type === 'RETRIED' ||
    (event.type === 'ATTEMPT_ENDED' && event.data.status === 'PENDING')
  );
}

type InGroup = Pick<Agent, 'accountId' | 'containerGroupId'>;

/** Agents that found nothing and wait, by group, in the order in which they began to. A group is there while it has listeners. */
function createWaitingRoom() {
  const groups = new Map<string, { listeners: number; arrivals: number; waiting: Set<string> }>();
  return {
    open(agent: Agent): void {
      const group = groups.get(keyOf(agent)) ?? { listeners: 0, arrivals: 0, waiting: new Set<string>() };
      group.listeners += 1;
      groups.set(keyOf(agent), group);
    },
    close(agent: Agent): void {
      const group = groups.get(keyOf(agent));
      if (group !== undefined && --group.listeners === 0) groups.delete(keyOf(agent));
    },
    enter: (agent: Agent): void => void groups.get(keyOf(agent))?.waiting.add(agent.id),
    leave: (agent: Agent): void => void groups.get(keyOf(agent))?.waiting.delete(agent.id),
    /** How often work has come to the group: an asker compares before and after. */
    arrivals: (agent: Agent): number | undefined => groups.get(keyOf(agent))?.arrivals,
    /** Work has come: the next few who wait no longer do. A group that has no agent here has nobody to call. */
    callUp(of: InGroup, count: number): string[] {
      const group = groups.get(keyOf(of));
      if (group === undefined) return [];
      group.arrivals += 1;
      const called = [...group.waiting.values().take(count)];
      for (const agentId of called) group.waiting.delete(agentId);
      return called;
    },
  };
}

function keyOf(of: InGroup): string {
  return `${of.accountId}\0${of.containerGroupId}`;
}

/** Each signal once: an agent has few jobs, so this stays short. */
function union(unread: AgentSignal[], next: AgentSignal[]): AgentSignal[] {
  const byText = new Map([...unread, ...next].map((signal) => [JSON.stringify(signal), signal]));
  return [...byText.values()];
}
