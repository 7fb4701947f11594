import fc from 'fast-check';
import { expect, test } from 'vitest';
import { perSecond, type Sample, sampled } from '../../../agent/sync/rate.ts';

/** Moments in order, at each of which so much more has come. */
const growth = fc
  .array(fc.record({ afterMs: fc.integer({ min: 1, max: 4000 }), more: fc.nat(1_000_000) }), { minLength: 1 })
  .map((steps) => {
    const series: Sample[] = [{ at: 0, total: 0 }];
    for (const { afterMs, more } of steps) {
      const { at, total } = series.at(-1)!;
      series.push({ at: at + afterMs, total: total + more });
    }
    return series;
  });

const seen = (series: readonly Sample[]) => series.reduce<readonly Sample[]>(sampled, []);

test('a rate lies between the slowest and the quickest that was seen', () => {
  fc.assert(
    fc.property(growth, (series) => {
      const rates = series.slice(1).map(({ at, total }, index) => {
        const before = series[index]!;
        return ((total - before.total) / (at - before.at)) * 1000;
      });
      const rate = perSecond(seen(series));
      expect(rate).toBeGreaterThanOrEqual(0);
      expect(rate).toBeLessThanOrEqual(Math.max(...rates) + 1e-6);
    }),
  );
});

test('what moves evenly has that rate, whenever one asks', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 100, max: 3000 }), { minLength: 1 }), fc.nat(1_000_000), (waits, speed) => {
      const moments = waits.reduce<number[]>((all, wait) => [...all, (all.at(-1) ?? 0) + wait], [0]);
      const rate = perSecond(seen(moments.map((at) => ({ at, total: (at * speed) / 1000 }))));
      expect(rate).toBeCloseTo(speed, 3);
    }),
  );
});

test('what has stood still for longer than the window has the rate 0', () => {
  const moved = seen([0, 1000, 2000].map((at) => ({ at, total: at })));
  const still = [3000, 4000, 5000, 6000, 7000, 8000].map((at) => ({ at, total: 2000 }));
  expect(perSecond(moved)).toBeCloseTo(1000);
  expect(perSecond(still.reduce(sampled, moved))).toBe(0);
});

test('bytes that are taken back make no negative rate', () => {
  expect(
    perSecond(
      seen([
        { at: 0, total: 100 },
        { at: 1000, total: 10 },
      ]),
    ),
  ).toBe(0);
});

test('few samples are kept, however often one asks', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 2000 }), (waits) => {
      let at = 0;
      const kept = seen(waits.map((wait) => ({ at: (at += wait), total: at })));
      expect(kept.length).toBeLessThanOrEqual(52);
    }),
  );
});
