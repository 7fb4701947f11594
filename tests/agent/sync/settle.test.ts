import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Observed } from '../../../agent/sync/scan.ts';
import {
  isUsefulAtAnyLength,
  judge,
  type Look,
  look,
  type Published,
  type Track,
  type Verdict,
} from '../../../agent/sync/settle.ts';

const TIMES = { stabilityCheckMs: 50, maxWaitMs: 5_000 };
const state = (size: number, written: number, ino = 1n): Observed => ({
  size,
  mtimeNs: BigInt(written),
  ino,
  ctimeNs: BigInt(written),
});

/** A look that took no time. */
const at = (millis: number): Look => ({ began: millis, ended: millis });

/** Looks at the states at the given milliseconds and says what is decided at the last. */
function decide(looks: readonly (readonly [number, Observed])[], published?: Published, isLog = true): Verdict {
  let track: Track | undefined;
  for (const [millis, seen] of looks) track = look(track, seen, millis);
  return judge(track!, published, at(looks.at(-1)![0]), TIMES, isLog);
}

describe('a dirty file', () => {
  it('is not published at first sight', () => {
    expect(decide([[0, state(1, 1)]])).toEqual({ kind: 'wait', millis: 50 });
  });

  it('is published when it held still', () => {
    expect(
      decide([
        [0, state(1, 1)],
        [50, state(1, 1)],
      ]),
    ).toEqual({ kind: 'whole' });
  });

  it('has not held still for as long as somebody looked at it', () => {
    const track = look(undefined, state(1, 1), 40);
    const unchanged = look(track, state(1, 1), 300);
    // It may have been seen at the end of the first look, and at the beginning of the second.
    expect(judge(unchanged, undefined, { began: 80, ended: 300 }, TIMES, true)).toEqual({ kind: 'wait', millis: 0 });
    expect(judge(unchanged, undefined, { began: 90, ended: 300 }, TIMES, true)).toEqual({ kind: 'whole' });
  });

  it('that only grows is published as a prefix once it waited long enough', () => {
    const growth = Array.from({ length: 52 }, (_, index) => [index * 100, state(index + 1, index)] as const);
    expect(decide(growth.slice(0, 50)).kind).toBe('wait');
    expect(decide(growth)).toEqual({ kind: 'prefix' });
  });

  it('that only grows and is no log has to settle, unless its beginning is published or it grew for long', () => {
    const growth = Array.from({ length: 650 }, (_, index) => [index * 100, state(index + 2, index)] as const);
    expect(decide(growth.slice(0, 590), undefined, false).kind).toBe('wait');
    expect(decide(growth, undefined, false)).toEqual({ kind: 'prefix' });
    const known = state(1, 0);
    let track: Track | undefined;
    for (const [millis, seen] of growth.slice(0, 60)) track = look(track, seen, millis, known);
    expect(judge(track!, undefined, at(5_900), TIMES, false)).toEqual({ kind: 'prefix' });
  });

  it.each([
    ['train.log', true],
    ['metrics.csv', true],
    ['metrics.jsonl', true],
    ['events.out.tfevents.1700000000.host', true],
    ['trajectory.xtc', true],
    ['model.safetensors', false],
    ['step-200.pt', false],
    ['checkpoint', false],
  ])('named %s is of use at any length: %s', (name, isLog) => {
    expect(isUsefulAtAnyLength(name)).toBe(isLog);
  });

  it('that is written over again and again waits until it settles', () => {
    const rewriting = Array.from({ length: 80 }, (_, index) => [index * 100, state(7, index)] as const);
    expect(decide(rewriting).kind).toBe('wait');
    expect(decide([...rewriting, [8_000, state(7, 79)]])).toEqual({ kind: 'whole' });
  });

  it('that is replaced by rename again and again is published whole once it waited long enough', () => {
    const replacing = Array.from({ length: 80 }, (_, index) => [index * 100, state(7, index, BigInt(index))] as const);
    expect(decide(replacing)).toEqual({ kind: 'replaced' });
  });

  it('that grew since it was published pauses for the longest wait, though it holds still', () => {
    const published = { at: 1_000, state: { size: 5, ino: 1n } };
    const still = [
      [1_500, state(9, 1)],
      [1_600, state(9, 1)],
    ] as const;
    expect(decide(still, published)).toEqual({ kind: 'wait', millis: 4_400 });
    expect(decide([...still, [6_000, state(9, 1)]], published)).toEqual({ kind: 'whole' });
  });

  it('that is shorter than its published state has to hold still for the longest wait', () => {
    const published = state(9, 0);
    const first = look(undefined, state(0, 1), 0, published);
    expect(judge(first, undefined, at(100), TIMES, false)).toEqual({ kind: 'wait', millis: 4_900 });
    expect(judge(look(first, state(0, 1), 5_000, published), undefined, at(5_000), TIMES, false)).toEqual({
      kind: 'whole',
    });
    const written = look(first, state(9, 2), 200, published);
    expect(judge(look(written, state(9, 2), 250, published), undefined, at(250), TIMES, false)).toEqual({
      kind: 'whole',
    });
    const replacement = look(undefined, state(0, 1, 2n), 0, published);
    expect(judge(replacement, undefined, at(50), TIMES, false)).toEqual({ kind: 'whole' });
  });

  it('is never a prefix when it was ever seen to shrink or to change without growing', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(sizes, (seen) => {
        const looks = seen.map((size, index) => [index * 1_000, state(size, index)] as const);
        const onlyGrew = seen.every((size, index) => index === 0 || size > seen[index - 1]!);
        expect(decide(looks).kind === 'prefix' && !onlyGrew).toBe(false);
      }),
    );
  });
});
