import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Pace, paceAfter, paceAfterRefusal, START } from '../../../agent/sync/pace.ts';

const MOST = 64;
const full = (rate: number) => ({ rate, wasFull: true });

/** Decides every 500 ms, with what `rateAt` says is moved at the present limit. */
function settle(rateAt: (limit: number) => number, steps = 15): Pace[] {
  const paces = [START];
  for (let step = 1; step <= steps; step++) {
    const pace = paces.at(-1) ?? START;
    paces.push(paceAfter(pace, full(rateAt(pace.limit)), step * 500, MOST));
  }
  return paces;
}

describe('the pace', () => {
  it('goes up to the most while more at once moves more', () => {
    expect(settle((limit) => limit).at(-1)?.limit).toBe(MOST);
  });

  it('goes one step back where more at once moves no more, and stays there for a while', () => {
    const limits = settle((limit) => Math.min(limit, 20)).map(({ limit }) => limit);
    expect(limits.slice(0, 4)).toEqual([16, 24, 36, 24]);
    expect(new Set(limits.slice(3))).toEqual(new Set([24]));
  });

  it('learns nothing while nobody waits', () => {
    expect(paceAfter(START, { rate: 1_000, wasFull: false }, 500, MOST)).toEqual(START);
  });

  it('halves when the store wants less, and does not go up again at once', () => {
    const less = paceAfterRefusal(START, 1_000);
    expect(less.limit).toBe(8);
    expect(paceAfterRefusal(less, 1_100)).toEqual(less);
    expect(paceAfterRefusal(less, 2_000).limit).toBe(4);
    expect(paceAfter(less, full(1e9), 2_000, MOST).limit).toBe(8);
    expect(paceAfter(less, full(1e9), 12_000, MOST).limit).toBe(12);
  });

  it('is always at least one and at most the most', () => {
    const seen = fc.record({ rate: fc.double({ min: 0, max: 1e6, noNaN: true }), wasFull: fc.boolean() });
    const story = fc.array(fc.oneof(seen, fc.constant('refused' as const)), { maxLength: 100 });
    fc.assert(
      fc.property(story, fc.integer({ min: 1, max: MOST }), (events, most) => {
        let pace: Pace = { ...START, limit: Math.min(START.limit, most) };
        events.forEach((event, index) => {
          const now = index * 3_000;
          pace = event === 'refused' ? paceAfterRefusal(pace, now) : paceAfter(pace, event, now, most);
          expect(pace.limit).toBeGreaterThanOrEqual(1);
          expect(pace.limit).toBeLessThanOrEqual(most);
        });
      }),
    );
  });
});
