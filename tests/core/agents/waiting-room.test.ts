import { describe, expect, test } from 'vitest';
import { createWaitingRoom, type InGroup } from '../../../core/agents/waiting-room.ts';
import type { Agent } from '../../../db/entities/agent.ts';

/** The room looks at an agent's id, machine, account and group only. */
function agentOf(containerGroupId: string, id: string): Agent {
  return { id, machineId: `machine of ${id}`, accountId: 'account', containerGroupId } as Agent;
}

/** A room in which so many wait in one group. */
function crowd(count: number) {
  const room = createWaitingRoom();
  const agents = new Map(Array.from({ length: count }, (_, n) => [String(n), agentOf('group', String(n))] as const));
  for (const agent of agents.values()) {
    room.open(agent);
    room.enter(agent, room.arrivals(agent));
  }
  const group: InGroup = { accountId: 'account', containerGroupId: 'group' };
  /** Looks at so many, of which those may have a job. */
  const look = (most: number, jobs: number, ...allowed: string[]) =>
    room.callAmong(group, { waiters: room.waitersIn(group, most), allowed: new Set(allowed), jobs });
  return { room, group, agents, look };
}

describe('a look at who waits', () => {
  test('names them with their machines, the first first', () => {
    const { room, group } = crowd(3);
    expect(room.waitersIn(group, 2)).toEqual([
      { agentId: '0', machineId: 'machine of 0' },
      { agentId: '1', machineId: 'machine of 1' },
    ]);
    expect(room.waitersIn({ ...group, containerGroupId: 'other' }, 2)).toEqual([]);
  });

  test('calls none but those who may have a job, as many as there are jobs and three to spare', () => {
    const { look } = crowd(10);
    expect(look(10, 1, '1', '3', '5', '6', '7', '8')).toEqual(['1', '3', '5', '6']);
    expect(look(10, 1, '1', '3', '5', '6', '7', '8')).toEqual(['7', '8']);
    expect(look(10, 1)).toEqual([]);
  });

  test('comes to everybody in turns, whoever may have nothing', () => {
    const { look } = crowd(5);
    expect([look(2, 1, '4'), look(2, 1, '4'), look(2, 1, '4')]).toEqual([[], [], ['4']]);
  });

  test('leaves those in their place who may have a job and are not needed, and those gone who have gone meanwhile', () => {
    const { room, group, agents } = crowd(6);
    const waiters = room.waitersIn(group, 6);
    room.leave(agents.get('0')!);
    room.leave(agents.get('1')!);
    const allowed = new Set(['1', '2', '3', '4', '5']);
    expect(room.callAmong(group, { waiters, allowed, jobs: 0 })).toEqual(['2', '3', '4']);
    expect(room.waitersIn(group, 6).map(({ agentId }) => agentId)).toEqual(['5']);
  });
});

describe('who asks while work comes', () => {
  test('is called when too few waited, but not over what is gone when a look finds nothing', () => {
    const { room, group, agents } = crowd(2);
    const [one, two, three] = [agents.get('0')!, agents.get('1')!, agentOf('group', '2')];
    room.open(three);
    const before = room.arrivals(three);
    room.arrive(group);
    expect(room.callUp(group, 1)).toEqual(['0', '1']);
    expect(room.enter(one, before)).toBe(true);
    room.enter(two, room.arrivals(two));
    const [seen] = room.waiting(1);
    room.foundNothing(seen!);
    expect(room.enter(three, before)).toBe(false);
  });

  test('is called although a look found nothing that had begun before the work came', () => {
    const { room, group, agents } = crowd(2);
    const [one] = agents.values();
    const [seen] = room.waiting(1);
    const before = room.arrivals(one!);
    room.arrive(group);
    room.callUp(group, 1);
    room.foundNothing(seen!);
    expect(room.enter(one!, before)).toBe(true);
  });
});

test('groups take turns where there are more than are looked at', () => {
  const room = createWaitingRoom();
  for (const name of ['a', 'b', 'idle', 'c', 'd', 'e']) {
    const agent = agentOf(name, name);
    room.open(agent);
    if (name !== 'idle') room.enter(agent, room.arrivals(agent));
  }
  const turns = Array.from({ length: 3 }, () => room.waiting(2).map((group) => group.containerGroupId));
  expect(turns).toEqual([
    ['a', 'b'],
    ['c', 'd'],
    ['e', 'a'],
  ]);
});
