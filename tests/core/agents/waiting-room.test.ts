import { describe, expect, test } from 'vitest';
import { createWaitingRoom, type InGroup } from '../../../core/agents/waiting-room.ts';
import type { Agent } from '../../../db/entities/agent.ts';

/** The room looks at an agent's id, account and group only. */
function agentOf(containerGroupId: string, id: string): Agent {
  return { id, accountId: 'account', containerGroupId } as Agent;
}

/** A room in which so many wait in one group; whoever is called asks in vain, and waits again. */
function crowd(count: number) {
  const room = createWaitingRoom();
  const agents = new Map(Array.from({ length: count }, (_, n) => [String(n), agentOf('group', String(n))] as const));
  for (const agent of agents.values()) {
    room.open(agent);
    room.enter(agent, room.arrivals(agent));
  }
  const look = (...jobIds: string[]): string[] => {
    const [group] = room.waiting(1);
    const called = room.callAgain(group!, jobIds);
    for (const agent of called.map((id) => agents.get(id)!)) room.enter(agent, room.arrivals(agent));
    return called;
  };
  const group: InGroup = { accountId: 'account', containerGroupId: 'group' };
  return { room, group, agents, look };
}

describe('a job that is found pending again and again', () => {
  test('calls more and more, until everybody was called, and few from then on', () => {
    const { look } = crowd(5_000);
    const called = Array.from({ length: 20 }, () => look('job'));
    const counts = called.map(({ length }) => length);
    expect(counts.slice(0, 5)).toEqual([13, 40, 160, 501, 501]);
    expect(new Set(called.flat()).size).toBe(5_000);
    expect(Math.max(...counts)).toBe(501);
    expect(counts.at(-1)).toBe(4);
  });

  test('calls few at once where all who wait were called', () => {
    const { look } = crowd(10);
    expect([look('job').length, look('job').length]).toEqual([10, 4]);
  });

  test('calls as for a new one when it comes anew, and one that others have refused holds up no other', () => {
    const { room, group, look } = crowd(40);
    while (look('refused').length !== 4);
    expect(look('refused', 'new')).toHaveLength(14);
    while (look('refused', 'new').length !== 5);
    room.arrive({ ...group, jobId: 'refused' });
    expect(look('refused', 'new')).toHaveLength(14);
  });
});

describe('who asks while work comes', () => {
  test('is called when too few waited, but not over what is gone when a look finds nothing', () => {
    const { room, group, agents, look } = crowd(2);
    const [one, two, three] = [agents.get('0')!, agents.get('1')!, agentOf('group', '2')];
    room.open(three);
    const before = room.arrivals(three);
    room.arrive({ ...group, jobId: 'job' });
    expect(room.callUp(group, 1)).toEqual(['0', '1']);
    expect(room.enter(one, before)).toBe(true);
    room.enter(two, room.arrivals(two));
    look();
    expect(room.enter(three, before)).toBe(false);
  });

  test('is called although a look found nothing that had begun before the work came', () => {
    const { room, group, agents } = crowd(2);
    const [one] = agents.values();
    const [seen] = room.waiting(1);
    const before = room.arrivals(one!);
    room.arrive({ ...group, jobId: 'job' });
    room.callUp(group, 1);
    room.callAgain(seen!, []);
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
