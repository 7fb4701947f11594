import type { Agent } from '../../db/entities/agent.ts';
import type { JobEvent } from '../../db/entities/job-event.ts';
import { latest, readerOf, type Latest } from '../../lib/latest.ts';
import type { Feed } from '../events/feed.ts';
import {
  createWaitingRoom,
  keyOf,
  type FoundWork,
  type InGroup,
  type Waiter,
  type WaitingGroup,
  type WaitingRoom,
} from './waiting-room.ts';

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
  /** How many those are. */
  count(): number;
  isConnected(agentId: string): boolean;
  /** Whether an agent, as it was just read, has gone to a newer connection than the one that this server has of it, and not noticed yet. */
  isElsewhere(agent: Agent): boolean;
  /** Groups in which agents wait that are connected to this server: `most` of them, and others before the same again. */
  waiting(most: number): WaitingGroup[];
  /** Those who wait there, the next `most` of them. */
  waitersIn(group: WaitingGroup, most: number): Waiter[];
  /** Nothing was pending in a group in which somebody waits. */
  foundNothing(group: WaitingGroup): void;
  /**
   * So many jobs were found pending in a group: tells as many of those who wait there to ask for work, and some to spare.
   * @returns how many that are
   */
  callAmong(group: WaitingGroup, found: FoundWork): number;
  /** Tells one agent, if it is connected to this server; the same thing twice only after it was read. */
  tell(agentId: string, signal: AgentSignal): void;
  /** This server is about to close its sockets: no agent is to lose a lease over that. */
  closing(): void;
}

/** What a connection's beginning and end mean for the agent's leases. */
export interface Presence {
  /** @returns undefined when a newer connection stands for the agent already */
  connected(agent: ListeningAgent, number: number | undefined): Promise<string | undefined>;
  disconnected(agent: ListeningAgent, connectionId: string): Promise<void>;
}

/** No more of an agent is kept while it listens: its hardware alone may be 8 KiB. */
type ListeningAgent = Pick<Agent, 'id' | 'accountId' | 'machineId' | 'containerGroupId'>;

interface Listener {
  agent: ListeningAgent;
  connection: number | undefined;
  signals: Latest<AgentSignal[]>;
  /** Once it stands for the agent's presence. */
  connectionId?: string;
}

export function createAgentSignals(feed: Feed, presence: Presence): AgentSignals {
  let isClosing = false;
  const listeners = new Map<string, Listener>();
  const room = createWaitingRoom();
  const signal = (agentId: string, ...signals: AgentSignal[]): void => listeners.get(agentId)?.signals.push(signals);

  const wake = (agentIds: string[]): number => {
    for (const agentId of agentIds) signal(agentId, { type: 'WORK_AVAILABLE' });
    return agentIds.length;
  };
  heedEvents(feed, room, { signal, wake });

  async function* signalsOf(listener: Listener): AsyncGenerator<AgentSignal, void, undefined> {
    const { agent } = listener;
    const connectionId = await presence.connected(agent, listener.connection);
    if (connectionId === undefined) return;
    listeners.set(agent.id, Object.assign(listener, { connectionId }));
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
      const listener = listenerOf(agent, connection);
      return readerOf(listener.signals, signalsOf(listener));
    },
    async claiming(agent, claim) {
      if (!listeners.has(agent.id)) return claim();
      const before = room.arrivals(agent);
      const got = await claim();
      if (got !== undefined) room.leave(agent);
      else if (listeners.has(agent.id) && room.enter(agent, before)) signal(agent.id, { type: 'WORK_AVAILABLE' });
      return got;
    },
    ...{ connected: () => [...listeners.keys()], count: () => listeners.size, tell: signal },
    isConnected: (agentId) => listeners.has(agentId),
    isElsewhere: (agent) => hasGone(agent, listeners.get(agent.id)),
    ...{ waiting: (most) => room.waiting(most), foundNothing: (group) => room.foundNothing(group) },
    waitersIn: (group, most) => room.waitersIn(group, most),
    callAmong: (group, found) => wake(room.callAmong(group, found)),
    closing: () => (isClosing = true),
  };
}

function listenerOf({ id, accountId, machineId, containerGroupId }: Agent, connection: number | undefined): Listener {
  return { agent: { id, accountId, machineId, containerGroupId }, connection, signals: latest(union) };
}

/**
 * By what the agent counts, where it does: a row that lacks what this connection wrote, or was read before, says of no newer one, and whoever took it
 * for one would give a connected agent no job any more.
 */
function hasGone({ connectionNumber, connectionId }: Agent, listener: Listener | undefined): boolean {
  if (listener === undefined) return false;
  if (listener.connection === undefined) return connectionId !== listener.connectionId;
  return connectionNumber > listener.connection;
}

interface Means {
  signal: (agentId: string, signal: AgentSignal) => void;
  wake: (agentIds: string[]) => void;
}

function heedEvents(feed: Feed, room: WaitingRoom, { signal, wake }: Means): void {
  const callSoon = createBundle((of, jobs) => wake(room.callUp(of, jobs)));
  feed.listen((event) => {
    if (makesClaimable(event)) {
      room.arrive(event);
      callSoon(event);
    }
    if (event.type === 'CANCELED' && event.attempt !== null && typeof event.data.agentId === 'string') {
      signal(event.data.agentId, { type: 'CANCEL', jobId: event.jobId, attempt: event.attempt });
    }
  });
}

function makesClaimable(event: JobEvent): boolean {
  return (
    event.type === 'SUBMITTED' ||
    event.type === 'BAN_LIFTED' ||
    event.type === 'RETRIED' ||
    (event.type === 'ATTEMPT_ENDED' && event.data.status === 'PENDING')
  );
}

/** What the feed hands out together is answered together: of a thousand jobs at once, each would have its spare agents otherwise. */
function createBundle(call: (of: InGroup, jobs: number) => void): (of: InGroup) => void {
  const arrived = new Map<string, { of: InGroup; jobs: number }>();
  const callAll = (): void => {
    const all = [...arrived.values()];
    arrived.clear();
    for (const { of, jobs } of all) call(of, jobs);
  };
  return ({ accountId, containerGroupId }) => {
    const of = { accountId, containerGroupId };
    if (arrived.size === 0) setImmediate(callAll);
    const jobs = (arrived.get(keyOf(of))?.jobs ?? 0) + 1;
    arrived.set(keyOf(of), { of, jobs });
  };
}

/** Each signal once: an agent has few jobs, so this stays short. */
function union(unread: AgentSignal[], next: AgentSignal[]): AgentSignal[] {
  const byText = new Map([...unread, ...next].map((signal) => [JSON.stringify(signal), signal]));
  return [...byText.values()];
}
