import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allStates, decodeCheckpoint, encodeCheckpoint } from './chaos/computation.ts';
import { planJob } from './chaos/plans.ts';
import { createRandom } from './chaos/random.ts';
import { drawSchedule } from './chaos/schedule.ts';

const EXTENT = { seconds: 60, agents: 6, servers: 2 };

describe('the schedule of a chaos run', () => {
  it('is the same for the same seed, and another for another', () => {
    const draw = (seed: string) => JSON.stringify(drawSchedule(createRandom(seed), EXTENT));
    expect(draw('1')).toBe(draw('1'));
    expect(draw('1')).not.toBe(draw('2'));
  });

  it('keeps to its time, and to the agents and servers there are', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 100 }), (seed, seconds) => {
        for (const fault of drawSchedule(createRandom(seed), { ...EXTENT, seconds })) {
          expect(fault.atMs).toBeLessThan(seconds * 1_000);
          if ('slot' in fault) expect(fault.slot).toBeLessThan(EXTENT.agents);
          if ('server' in fault) expect(fault.server).toBeLessThan(EXTENT.servers);
        }
      }),
    );
  });

  it('begins with the zombies, and meets everything within a minute', () => {
    const faults = drawSchedule(createRandom('any'), EXTENT);
    expect(faults.slice(0, 2).map(({ kind }) => kind)).toEqual(['AGENT_FROZEN', 'LINK_HELD']);
    expect(new Set(faults.map(({ kind }) => kind)).size).toBe(15);
  });
});

describe('the jobs of a chaos run', () => {
  const plans = Array.from({ length: 400 }, (_, index) => planJob(createRandom('7'), index));

  it('are the same for the same seed, in whatever order they are asked for', () => {
    expect(planJob(createRandom('7'), 17)).toEqual(plans[17]);
  });

  it('are of every kind, and most are ordinary', () => {
    expect(plans.some(({ failing }) => failing !== undefined && failing.times === undefined)).toBe(true);
    expect(new Set(plans.map(({ cancel }) => cancel?.when))).toEqual(
      new Set([undefined, 'LATER', 'CLAIMED', 'FINISHED']),
    );
    expect(plans.some(({ checkpointBytes }) => checkpointBytes > 8 * 2 ** 20)).toBe(true);
    const ordinary = plans.filter(({ failing, cancel }) => failing === undefined && cancel === undefined);
    expect(ordinary.length).toBeGreaterThan(plans.length / 2);
  });

  it('that fail on purpose have a budget that says how they end', () => {
    for (const { failing, maxFailures } of plans) {
      if (failing?.times !== undefined) expect(failing.times).toBeLessThan(maxFailures);
    }
  });
});

describe('a checkpoint', () => {
  it('can be read again as it was, and not when a byte is missing or another', () => {
    const checkpoint = { job: 'job', step: 3, state: allStates('job', 3).at(-1) ?? '' };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_000 }), fc.nat(), (bytes, position) => {
        const content = encodeCheckpoint(checkpoint, bytes);
        expect(decodeCheckpoint(content)).toEqual(checkpoint);
        const at = position % content.length;
        expect(decodeCheckpoint(content.subarray(0, at))).toBeUndefined();
        content[at] = (content[at] ?? 0) ^ 1;
        expect(decodeCheckpoint(content)).toBeUndefined();
      }),
    );
  });
});

describe('seeded chance', () => {
  it('shuffles without losing or inventing anything', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.integer()), (seed, items) => {
        expect(createRandom(seed).shuffled(items).sort()).toEqual([...items].sort());
      }),
    );
  });

  it('gives a fork that does not depend on what was drawn before', () => {
    const used = createRandom('seed');
    used.next();
    expect(used.fork('a').next()).toBe(createRandom('seed').fork('a').next());
    expect(used.fork('a').next()).not.toBe(used.fork('b').next());
  });
});
