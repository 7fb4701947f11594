import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { secondsLeft } from '../../../core/leases/time-left.ts';
import type { TracePoint } from '../../../db/entities/attempt.ts';

const START = 1_790_000_000;
const finite = fc.double({ min: 0, max: 1, noNaN: true });

/** A command that takes `seconds` in all and tells its fraction at some of them. */
const steady = fc
  .record({
    seconds: fc.double({ min: 60, max: 1_000_000, noNaN: true }),
    steps: fc.array(fc.double({ min: 0.5, max: 1, noNaN: true }), { minLength: 2, maxLength: 33 }),
  })
  .map(({ seconds, steps }) => {
    const whole = steps.reduce((sum, step) => sum + step, 0) * 1.2;
    let fraction = 0;
    const trace = steps.map((step): TracePoint => {
      fraction += step / whole;
      return [START + fraction * seconds, fraction];
    });
    return { seconds, trace };
  });

describe('the time left', () => {
  test('at a constant pace is right within 5 %, at a report and between two', () => {
    fc.assert(
      fc.property(steady, fc.double({ min: 0, max: 0.4, noNaN: true }), ({ seconds, trace }, part) => {
        const [before = 0, last = 0] = trace.slice(-2).map(([at]) => at);
        const now = last + part * (last - before);
        const truth = Math.max(0, START + seconds - now);
        const told = secondsLeft(trace, now);
        expect(told).not.toBeNull();
        expect(Math.abs((told ?? 0) - truth)).toBeLessThanOrEqual(truth * 0.05 + 0.001);
      }),
    );
  });

  test('does not mind a few points that are far off', () => {
    const trace = Array.from({ length: 30 }, (_, index): TracePoint => [START + index * 10, index / 100]);
    // For one point the clock of another server, a minute behind, was used.
    trace[12] = [START + 120 - 60, 0.12];
    const told = secondsLeft(trace, START + 290) ?? 0;
    expect(Math.abs(told - 710)).toBeLessThan(710 * 0.05);
  });

  test('grows without bound once a report is overdue', () => {
    fc.assert(
      fc.property(
        steady,
        fc.double({ min: 0, max: 10_000, noNaN: true }),
        fc.double({ min: 1, max: 10_000, noNaN: true }),
        ({ trace }, silence, more) => {
          const gaps = trace.slice(1).map(([at], index) => at - (trace[index]?.[0] ?? at));
          const due = (trace.at(-1)?.[0] ?? 0) + Math.max(...gaps);
          const [sooner, later] = [secondsLeft(trace, due + silence), secondsLeft(trace, due + silence + more)];
          // Close to the end, a part of the first moments is still covered by what was left.
          if (later === 0) expect(sooner).toBe(0);
          else expect(later ?? Infinity).toBeGreaterThan(sooner ?? 0);
          expect(secondsLeft(trace, due + 1e9) ?? Infinity).toBeGreaterThan(1e6);
        },
      ),
    );
  });

  test('is never negative and always a number or nothing, whatever was told', () => {
    const anyTrace = fc.array(fc.tuple(fc.double({ min: 0, max: 4e9, noNaN: true }), finite), { maxLength: 40 });
    fc.assert(
      fc.property(anyTrace, fc.double({ min: 0, max: 8e9, noNaN: true }), (trace, now) => {
        const told = secondsLeft(trace, now);
        expect(told === null || (Number.isFinite(told) && told >= 0)).toBe(true);
      }),
    );
  });

  test.each<[string, TracePoint[]]>([
    ['nothing was told', []],
    ['only one fraction was told', [[START, 0.5]]],
    [
      'the fraction stands since it was first told',
      [
        [START, 0.5],
        [START + 60, 0.5],
      ],
    ],
    [
      'the fraction has just fallen',
      [
        [START, 0.5],
        [START + 60, 0.6],
        [START + 70, 0.1],
      ],
    ],
  ])('is not told when %s', (_name, trace) => {
    expect(secondsLeft(trace, START + 100)).toBeNull();
  });

  test('goes by the rise since the fraction last fell', () => {
    const trace: TracePoint[] = [
      [START, 0.9],
      [START + 10, 0],
      [START + 20, 0.1],
      [START + 30, 0.2],
    ];
    expect(secondsLeft(trace, START + 30)).toBeCloseTo(80, 6);
  });

  test('is nothing at the end', () => {
    expect(secondsLeft([[START, 1]], START + 1_000)).toBe(0);
  });
});
