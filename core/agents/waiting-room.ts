import type { Agent } from '../../db/entities/agent.ts';

/** Where an agent works, and a job is to be done. */
export type InGroup = Pick<Agent, 'accountId' | 'containerGroupId'>;

/** Agents that found nothing and wait, by group, in the order in which they began to. */
export interface WaitingRoom {
  /** A group is there while it has listeners. */
  open(agent: Agent): void;
  close(agent: Agent): void;
  /**
   * An agent has asked and found nothing. It waits; but where work has come while it asked, and too few waited to be called, it is called
   * at once.
   * @param before what `arrivals` was when it began to ask
   * @returns whether it is called
   */
  enter(agent: Agent, before: number | undefined): boolean;
  leave(agent: Agent): void;
  /** Work has come. */
  arrive(of: InGroup): void;
  /** How often work has come to the group: an asker compares before and after. */
  arrivals(agent: Agent): number | undefined;
  /** The next few who wait no longer do. A group that has no agent here has nobody to call. */
  callUp(of: InGroup, count: number): string[];
  /** The groups in which somebody waits. */
  waiting(): InGroup[];
}

interface Group {
  of: InGroup;
  listeners: number;
  arrivals: number;
  waiting: Set<string>;
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
      else group.waiting.add(agent.id);
      return isCalled;
    },
    leave: (agent) => void groups.get(keyOf(agent))?.waiting.delete(agent.id),
    arrive(of) {
      const group = groups.get(keyOf(of));
      if (group !== undefined) group.arrivals += 1;
    },
    arrivals: (agent) => groups.get(keyOf(agent))?.arrivals,
    callUp(of, count) {
      const group = groups.get(keyOf(of));
      if (group === undefined) return [];
      const called = [...group.waiting.values().take(count)];
      for (const agentId of called) group.waiting.delete(agentId);
      group.missing = Math.min(group.missing + count - called.length, group.listeners);
      return called;
    },
    waiting: () => [...groups.values()].filter(({ waiting }) => waiting.size > 0).map(({ of }) => of),
  };
}

function emptyGroup({ accountId, containerGroupId }: InGroup): Group {
  return { of: { accountId, containerGroupId }, listeners: 0, arrivals: 0, waiting: new Set(), missing: 0 };
}

/** Names a group among those of all accounts. */
export function keyOf(of: InGroup): string {
  return `${of.accountId}\0${of.containerGroupId}`;
}
