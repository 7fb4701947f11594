import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluate, plan } from '../../../core/scaling/evaluate.ts';

const terms = { minReplicas: 0, maxReplicas: 100, idleThresholdSeconds: 300 };
const queue = { pending: 0, running: 0, ended: 0, barred: 0, hasMore: false };

describe('the decision', () => {
  test.each([
    [{ running: 9, pending: 3 }, {}, 12, '12 = 9 running + 3 pending'],
    [{}, {}, 0, '0 = nothing pending, running or ended within 300 s'],
    [{ pending: 250 }, {}, 100, '100 = clamped from 250 by max_replicas (250 pending)'],
    [{ ended: 2 }, {}, 2, '2 = 2 ended within 300 s'],
    [{ pending: 1, barred: 2 }, {}, 3, '3 = 1 pending + 2 idle but banned from all that is pending'],
    [{ pending: 1, barred: 1, ended: 1 }, {}, 2, '2 = 1 pending + 1 ended within 300 s'],
    [
      { pending: 1, barred: 3, ended: 1 },
      { maxReplicas: 2 },
      2,
      '2 = clamped from 4 by max_replicas (1 pending + 3 idle but banned from all that is pending)',
    ],
    [{}, { minReplicas: 2 }, 2, '2 = raised from 0 by min_replicas (nothing pending, running or ended within 300 s)'],
    [{ pending: 100, hasMore: true }, {}, 100, '100 = clamped from at least 100 by max_replicas (100 or more pending)'],
  ])('of %o under %o is %d and says why', (part, more, wanted, reason) => {
    expect(evaluate({ ...terms, ...more }, { ...queue, ...part })).toEqual({ wanted, reason });
  });

  test('is within its bounds, never less than the work that fits them and those who may not do it, and begins its reason with itself', () => {
    const count = fc.nat(1_000);
    const bounds = fc.tuple(fc.nat(500), fc.nat(500)).map((two) => two.toSorted((a, b) => a - b));
    fc.assert(
      fc.property(
        bounds,
        count,
        count,
        count,
        count,
        ([minReplicas = 0, maxReplicas = 0], pending, running, ended, barred) => {
          const { wanted, reason } = evaluate(
            { ...terms, minReplicas, maxReplicas },
            { pending, running, ended, barred, hasMore: false },
          );
          expect(wanted).toBe(
            Math.min(maxReplicas, Math.max(minReplicas, pending + running + Math.max(ended, barred))),
          );
          expect(reason.startsWith(`${wanted} = `)).toBe(true);
        },
      ),
    );
  });
});

describe('the steps', () => {
  test('reach what is wanted from any state, in the fewest verbs, and change nothing that is right', () => {
    const status = fc.constantFrom('RUNNING' as const, 'STOPPED' as const);
    fc.assert(
      fc.property(fc.nat(500), fc.record({ status, replicas: fc.nat(500) }), (wanted, group) => {
        const after = { ...group };
        for (const step of plan(wanted, group)) {
          if (step.do === 'setReplicas') after.replicas = step.count;
          else after.status = step.do === 'start' ? 'RUNNING' : 'STOPPED';
        }
        if (wanted === 0) expect(after.status).toBe('STOPPED');
        else expect(after).toEqual({ status: 'RUNNING', replicas: wanted });
        expect(plan(wanted, after)).toEqual([]);
      }),
    );
  });

  test('give a stopped group its size before it starts', () => {
    expect(plan(3, { status: 'STOPPED', replicas: 50 })).toEqual([{ do: 'setReplicas', count: 3 }, { do: 'start' }]);
  });
});
