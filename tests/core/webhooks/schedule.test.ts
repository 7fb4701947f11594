import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextTry } from '../../../core/webhooks/schedule.ts';

const now = new Date('2026-01-02T03:04:05Z');
const DAY = 86_400;
/** What the document says: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. */
const STATED = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, DAY];

const chances = fc.double({ min: 0, max: 1, noNaN: true });
const failed = (tries: number, retryAfter?: string, chance = 0.5, status = 503) =>
  nextTry(tries, { status, retryAfter }, { now, chance });

describe('the schedule', () => {
  test('is the stated one, within a tenth more or less', () => {
    expect(STATED.map((_, index) => failed(index + 1))).toEqual(STATED);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: STATED.length }), chances, (tries, chance) => {
        const stated = STATED[tries - 1]!;
        const wait = failed(tries, undefined, chance)!;
        expect(wait).toBeGreaterThanOrEqual(stated * 0.9 - 1e-6);
        expect(wait).toBeLessThanOrEqual(stated * 1.1 + 1e-6);
      }),
    );
  });

  test('spreads what failed at once over the whole tenth', () => {
    expect([failed(2, undefined, 0), failed(2, undefined, 1)].map((wait) => Math.round(wait!))).toEqual([270, 330]);
  });

  test('ends after the tenth try, whatever the receiver asks for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 1_000 }), chances, fc.option(fc.string()), (tries, chance, retryAfter) => {
        expect(failed(tries, retryAfter ?? undefined, chance)).toBeUndefined();
      }),
    );
    expect(failed(10, '60')).toBeUndefined();
  });

  test('goes on without an answer as with one', () => {
    expect(nextTry(1, {}, { now, chance: 0.5 })).toBe(5);
  });
});

describe('a receiver that answers 410', () => {
  test('is not tried again, at whatever try and whatever else it says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.option(fc.string()), (tries, retryAfter) => {
        expect(failed(tries, retryAfter ?? undefined, 0.5, 410)).toBeUndefined();
      }),
    );
  });
});

describe('Retry-After', () => {
  test.each([
    ['seconds', '120', 120],
    ['seconds with spaces around them', ' 120 ', 120],
    ['a date', 'Fri, 02 Jan 2026 04:04:05 GMT', 3_600],
    ['a wait of more than a day', '604800', DAY],
    ['more digits than a wait has', '9'.repeat(400), 5],
    ['the year 9999', 'Fri, 31 Dec 9999 23:59:59 GMT', DAY],
    ['a date that is past', 'Fri, 02 Jan 2026 03:00:00 GMT', 5],
    ['less than the schedule', '1', 5],
    ['nothing', '', 5],
    ['a negative number', '-60', 5],
    ['a fraction', '60.5', 5],
    ['an exponent', '1e3', 5],
    ['words', 'tomorrow', 5],
  ])('as %s', (_what, retryAfter, seconds) => {
    expect(failed(1, retryAfter)).toBe(seconds);
  });

  test('never shortens the schedule, and never puts a try off by more than a day and its tenth', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        chances,
        fc.oneof(
          fc.string(),
          fc.nat().map(String),
          fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
        ),
        (tries, chance, retryAfter) => {
          const wait = failed(tries, retryAfter, chance)!;
          expect(wait).toBeGreaterThanOrEqual(failed(tries, undefined, chance)!);
          expect(wait).toBeLessThanOrEqual(DAY * 1.1 + 1e-6);
        },
      ),
    );
  });
});
