import type { Agent } from '../../db/entities/agent.ts';

/** Where an agent works, and a job is to be done. */
export type InGroup = Pick<Agent, 'accountId' | 'containerGroupId'>;

/** A group in which somebody waits, and how often work had come to it when that was seen. */
export interface WaitingGroup extends InGroup {
  arrivals: number;
}

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
  /** A job has come: for the first time, or as one that others may have now. */
  arrive(job: InGroup & { jobId: string }): void;
  /** How often work has come to the group: an asker compares before and after. */
  arrivals(agent: Agent): number | undefined;
  /** So many jobs have come: the next few who wait no longer do. A group that has no agent here has nobody to call. */
  callUp(of: InGroup, jobs: number): string[];
  /** Groups in which somebody waits, `most` of them, and others before the same again. */
  waiting(most: number): WaitingGroup[];
  /**
   * These jobs were found pending although somebody waits in the group: the next few no longer do, and many more of them for a job that is
   * found again and again. A job that everybody was called for, and nobody took, calls few: those who wait may not have it.
   */
  callAgain(group: WaitingGroup, jobIds: readonly string[]): string[];
}

/**
 * So many more agents are woken than there is work: the first might be banned from it, or dead. Not all: most would find none. Should all
 * of these fail it, it is found pending by the next look (`callForWaiting`).
 */
const SPARE = 3;
/** A job that is found pending was refused by the first who were called, or they are slow. */
const SPARE_AT_A_LOOK = 12;
/** For a job that is found again, so many times as many as were called for it in vain: thousands are through in some looks. */
const GROWTH = 3;
/** No look makes more ask than a server answers in passing. */
const MOST_SPARE = 500;

interface Group {
  of: InGroup;
  listeners: number;
  arrivals: number;
  waiting: Set<string>;
  /** How many more were to be called than waited. */
  missing: number;
  /** Jobs that the last look found pending, and how many it and those before it have called for them. */
  refused: Map<string, number>;
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
    arrive(job) {
      const group = groups.get(keyOf(job));
      if (group === undefined) return;
      group.arrivals += 1;
      group.refused.delete(job.jobId);
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
    callAgain(of, jobIds) {
      const group = groups.get(keyOf(of));
      return group === undefined ? [] : callAgain(group, of.arrivals, jobIds);
    },
  };
}

function emptyGroup({ accountId, containerGroupId }: InGroup): Group {
  const of = { accountId, containerGroupId };
  return { of, listeners: 0, arrivals: 0, waiting: new Set(), missing: 0, refused: new Map() };
}

function take({ waiting }: Group, count: number): string[] {
  const called = [...waiting.values().take(count)];
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

function callAgain(group: Group, arrivals: number, jobIds: readonly string[]): string[] {
  // Nothing is pending, and nothing has come since that was asked: whoever asks now need not ask again over what came before.
  if (jobIds.length === 0 && group.arrivals === arrivals) group.missing = 0;
  const refused = jobIds.map((id) => [id, group.refused.get(id) ?? 0] as const);
  const spares = refused.map(([, called]) => spareFor(called, group.listeners));
  const called = jobIds.length === 0 ? [] : take(group, jobIds.length + Math.max(...spares));
  // Nobody is left who was not called.
  const more = group.waiting.size === 0 ? group.listeners : called.length;
  group.refused = new Map(refused.map(([id, before]) => [id, before + more]));
  return called;
}

/** @param called how many were, for a job that is pending still */
function spareFor(called: number, listeners: number): number {
  if (called === 0) return SPARE_AT_A_LOOK;
  return called >= listeners ? SPARE : Math.min(GROWTH * called, MOST_SPARE);
}

/** Names a group among those of all accounts. */
export function keyOf(of: InGroup): string {
  return `${of.accountId}\0${of.containerGroupId}`;
}
