import type { Agent } from '../../db/entities/agent.ts';

/** Where an agent works, and a job is to be done. */
export type InGroup = Pick<Agent, 'accountId' | 'containerGroupId'>;

/** Who waits there. */
type Waiting = Pick<Agent, 'id' | 'machineId' | keyof InGroup>;

/** A group in which somebody waits, and how often work had come to it when that was seen. */
export interface WaitingGroup extends InGroup {
  arrivals: number;
}

/** An agent that waits, and its machine, which may be banned from what comes. */
export interface Waiter {
  agentId: string;
  machineId: string;
}

/** What a look has found in a group in which somebody waits. */
export interface FoundWork {
  /** Pending jobs. */
  jobs: number;
  /** Who waited and was looked at: the first in the group. */
  waiters: readonly Waiter[];
  /** Ids of agents that may have one of those jobs. */
  allowed: ReadonlySet<string>;
}

/** Agents that found nothing and wait, by group, in the order in which they began to. */
export interface WaitingRoom {
  /** A group is there while it has listeners. */
  open(agent: InGroup): void;
  close(agent: InGroup): void;
  /**
   * An agent has asked and found nothing. It waits; but where work has come while it asked, and too few waited to be called, it is called
   * at once.
   * @param before what `arrivals` was when it began to ask
   * @returns whether it is called
   */
  enter(agent: Waiting, before: number | undefined): boolean;
  leave(agent: Waiting): void;
  /** A job has come: for the first time, or as one that others may have now. */
  arrive(job: InGroup): void;
  /** How often work has come to the group: an asker compares before and after. */
  arrivals(agent: InGroup): number | undefined;
  /** So many jobs have come: the next few who wait no longer do. A group that has no agent here has nobody to call. */
  callUp(of: InGroup, jobs: number): string[];
  /** Groups in which somebody waits, `most` of them, and others before the same again. */
  waiting(most: number): WaitingGroup[];
  /** Those who wait there, the next `most` of them. */
  waitersIn(of: InGroup, most: number): Waiter[];
  /** Nothing was pending when the group was looked at. */
  foundNothing(group: WaitingGroup): void;
  /**
   * Jobs were found pending although somebody waits: as many of those who may have one no longer do, and some to spare. Who may have none goes
   * behind those that were not looked at.
   */
  callAmong(of: InGroup, found: FoundWork): string[];
}

/**
 * So many more agents are woken than there is work: the first might be banned from it, or dead. Not all: most would find none. Should all
 * of these fail it, it is found pending by the next look (`callForWaiting`), which knows who is banned.
 */
const SPARE = 3;

interface Group {
  of: InGroup;
  listeners: number;
  arrivals: number;
  /** Machines by the ids of their agents. */
  waiting: Map<string, string>;
  /** How many more were to be called than waited. */
  missing: number;
}

export function createWaitingRoom(): WaitingRoom {
  const groups = new Map<string, Group>();
  return {
    open(agent) {
      const group = groups.get(keyOf(agent)) ?? emptyGroup(agent);
      group.listeners += 1;
      groups.set(keyOf(agent), group);
    },
    close(agent) {
      const group = groups.get(keyOf(agent));
      if (group !== undefined && --group.listeners === 0) groups.delete(keyOf(agent));
    },
    enter(agent, before) {
      const group = groups.get(keyOf(agent));
      if (group === undefined) return false;
      const isCalled = group.arrivals !== before && group.missing > 0;
      if (isCalled) group.missing -= 1;
      else group.waiting.set(agent.id, agent.machineId);
      return isCalled;
    },
    leave: (agent) => void groups.get(keyOf(agent))?.waiting.delete(agent.id),
    arrive(job) {
      const group = groups.get(keyOf(job));
      if (group !== undefined) group.arrivals += 1;
    },
    arrivals: (agent) => groups.get(keyOf(agent))?.arrivals,
    callUp(of, jobs) {
      const group = groups.get(keyOf(of));
      if (group === undefined) return [];
      const called = take(group, jobs + SPARE);
      group.missing = Math.min(group.missing + jobs + SPARE - called.length, group.listeners);
      return called;
    },
    waiting: (most) => nextWaiting(groups, most),
    waitersIn(of, most) {
      const first = groups.get(keyOf(of))?.waiting.entries().take(most) ?? [];
      return Array.from(first, ([agentId, machineId]) => ({ agentId, machineId }));
    },
    foundNothing(of) {
      const group = groups.get(keyOf(of));
      // Nothing has come since that was asked either: whoever asks now need not ask again over what came before.
      if (group?.arrivals === of.arrivals) group.missing = 0;
    },
    callAmong(of, found) {
      const group = groups.get(keyOf(of));
      return group === undefined ? [] : callAmong(group, found);
    },
  };
}

function emptyGroup({ accountId, containerGroupId }: InGroup): Group {
  const of = { accountId, containerGroupId };
  return { of, listeners: 0, arrivals: 0, waiting: new Map(), missing: 0 };
}

function take({ waiting }: Group, count: number): string[] {
  const called = [...waiting.keys().take(count)];
  for (const agentId of called) waiting.delete(agentId);
  return called;
}

/** Those that are given go behind all others: a map is walked in the order in which its entries were made. */
function nextWaiting(groups: Map<string, Group>, most: number): WaitingGroup[] {
  const next = [...groups].filter(([, { waiting }]) => waiting.size > 0).slice(0, most);
  for (const [key, group] of next) {
    groups.delete(key);
    groups.set(key, group);
  }
  return next.map(([, { of, arrivals }]) => ({ ...of, arrivals }));
}

function callAmong({ waiting }: Group, { jobs, waiters, allowed }: FoundWork): string[] {
  const called: string[] = [];
  for (const { agentId, machineId } of waiters) {
    const isToCall = allowed.has(agentId);
    // Those who may have one and are not needed now stay where they are. Who has gone meanwhile does not come back.
    if ((isToCall && called.length >= jobs + SPARE) || !waiting.delete(agentId)) continue;
    if (isToCall) called.push(agentId);
    else waiting.set(agentId, machineId);
  }
  return called;
}

/** Names a group among those of all accounts. */
export function keyOf(of: InGroup): string {
  return `${of.accountId}\0${of.containerGroupId}`;
}
