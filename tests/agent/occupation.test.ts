import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AgentState, createOccupation, IDLE_COST, UPLOADING_COST } from '../../agent/occupation.ts';

function watched() {
  const states: AgentState[] = [];
  const costs: number[] = [];
  const clock = { now: 0 };
  const occupation = createOccupation({
    tellState: (state) => states.push(state),
    tellCost: (cost) => costs.push(cost),
    now: () => clock.now,
  });
  return { occupation, states, costs, clock };
}

test('an agent is idle at first, and tells so', () => {
  const { states, costs } = watched();
  expect(states).toEqual([{ jobId: null, attempt: null, phase: 'IDLE', since: expect.any(Date) as Date }]);
  expect(costs).toEqual([IDLE_COST]);
});

test('a job that runs costs as many seconds as it has run', () => {
  const { occupation, costs, clock } = watched();
  const witness = occupation.begin({ jobId: 'job', number: 1 });
  expect(costs.at(-1)).toBe(1);
  for (clock.now = 0; clock.now <= 90_000; clock.now += 30_000) witness.beat();
  expect(costs.slice(2)).toEqual([2, 30, 60, 90]);
  witness.entered('UPLOADING');
  witness.beat();
  expect(costs.slice(-2)).toEqual([UPLOADING_COST, UPLOADING_COST]);
  witness.ended();
  expect(costs.at(-1)).toBe(IDLE_COST);
});

test('the cost of a job rises with each heartbeat, and stays below that of an upload', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 2 ** 40 })), (steps) => {
      const { occupation, costs, clock } = watched();
      const witness = occupation.begin({ jobId: 'job', number: 1 });
      for (const step of steps) {
        clock.now += step;
        witness.beat();
      }
      const own = costs.slice(1);
      expect(own.every((cost, index) => index === 0 || cost > own[index - 1]! || cost === UPLOADING_COST - 1)).toBe(
        true,
      );
      expect(Math.max(...own)).toBeLessThan(UPLOADING_COST);
    }),
  );
});

test('of two attempts the dearer one counts, and the newer one is shown', () => {
  const { occupation, states, costs } = watched();
  const first = occupation.begin({ jobId: 'first', number: 3 });
  first.entered('UPLOADING');
  const second = occupation.begin({ jobId: 'second', number: 1 });
  second.entered('RUNNING');
  second.beat();
  expect(states.at(-1)).toMatchObject({ jobId: 'second', attempt: 1, phase: 'RUNNING' });
  expect(costs.at(-1)).toBe(UPLOADING_COST);
  second.ended();
  expect(states.at(-1)).toMatchObject({ jobId: 'first', attempt: 3, phase: 'UPLOADING' });
  first.ended();
  expect(states.at(-1)).toMatchObject({ jobId: null, phase: 'IDLE' });
  expect(costs.at(-1)).toBe(IDLE_COST);
});

test('a phase that is entered twice is the same one', () => {
  const { occupation, states } = watched();
  const witness = occupation.begin({ jobId: 'job', number: 1 });
  witness.entered('UPLOADING');
  const { since } = states.at(-1)!;
  witness.entered('UPLOADING');
  expect(states.at(-1)!.since).toBe(since);
});
