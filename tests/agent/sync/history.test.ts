import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, startBench } from './support/bench.ts';
import type { Verdict } from './support/relay.ts';
import { type History, live, type Step } from './support/world.ts';

/** How long the search for a bad history may take: much longer by KELPIE_HISTORY_SECONDS, with KELPIE_HISTORY_SEED to repeat. */
const SECONDS = Number(process.env.KELPIE_HISTORY_SECONDS ?? 6);
const SEED = process.env.KELPIE_HISTORY_SEED;

let bench: Bench;
beforeAll(async () => (bench = await startBench()));
afterAll(() => bench.stop());

const name = fc.constantFrom('a', 'b', 'deep/a', 'deep/train.log');
const size = fc.integer({ min: 0, max: 40 });
const share = fc.constantFrom(0, 0.5, 1);
const keeps = fc.boolean();
const does = <const Name extends string>(...names: Name[]) => fc.constantFrom(...names);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: does('write'), name, size }) },
  { weight: 2, arbitrary: fc.record({ does: does('replace'), name, size }) },
  { weight: 2, arbitrary: fc.record({ does: does('writeMeanwhile'), during: name, name, size, share, keeps }) },
  { weight: 2, arbitrary: fc.record({ does: does('writeSlowly'), name, size, share, keeps }) },
  { weight: 3, arbitrary: fc.record({ does: does('append', 'remove'), name }) },
  { weight: 3, arbitrary: fc.record({ does: does('rename'), name, to: name }) },
  { weight: 4, arbitrary: fc.record({ does: does('checkpoint'), size, isDataSlow: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ does: does('moveAway', 'moveBack', 'settle', 'settle') }) },
  { weight: 2, arbitrary: fc.record({ does: does('outAndBack'), isReplaced: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: does('trouble'),
      verdict: fc.constantFrom<NonNullable<Verdict>>('nothing', 'nothing', 'cut', 503),
      requests: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: does('suspend', 'resume', 'crash') }) },
);

const history: fc.Arbitrary<History> = fc.record({
  settlesMs: fc.constantFrom(10, 150),
  steps: fc.array(step, { minLength: 3, maxLength: 20 }),
  dies: fc.boolean(),
});

/** Bytes of a file that is sent in parts, and read after it was said that they would come. */
const LARGE = 9 * 2 ** 20;

/** Each is lived through well by the grace of one rule. */
const KNOWN: [rule: string, History][] = [
  ['whether an object is gone is not known without an answer', well([{ does: 'outAndBack', isReplaced: false }])],
  ['what an object holds is not known without an answer', well([{ does: 'outAndBack', isReplaced: true }])],
  [
    'a file is published when it rests',
    {
      ...well([{ does: 'write', name: 'a', size: 30 }, { does: 'settle' }, ...slowly(0.5), ...slowly(0)]),
      settlesMs: 200,
    },
  ],
  [
    'a file is published as it was when it was seen to rest',
    {
      ...well([
        { does: 'writeMeanwhile', during: 'a', name: 'b', size: 30, share: 0.5, keeps: false },
        { does: 'write', name: 'a', size: 9 },
        { does: 'write', name: 'b', size: 9 },
        { does: 'settle' },
      ]),
      settlesMs: 200,
    },
  ],
  [
    'a file is published if it held still until it was read',
    {
      ...well([
        { does: 'writeMeanwhile', during: 'a', name: 'a', size: LARGE, share: 0.5, keeps: true },
        { does: 'write', name: 'a', size: LARGE },
        { does: 'settle' },
      ]),
      settlesMs: 200,
    },
  ],
  [
    'what names others is published after them',
    well([
      { does: 'checkpoint', size: 9, isDataSlow: true },
      { does: 'settle' },
      { does: 'checkpoint', size: 9, isDataSlow: true },
      { does: 'settle' },
    ]),
  ],
  [
    'nothing is deleted before what replaces it is there',
    well([
      { does: 'checkpoint', size: 9, isDataSlow: false },
      { does: 'settle' },
      { does: 'trouble', verdict: 503, requests: 6 },
      { does: 'checkpoint', size: 9, isDataSlow: false },
      { does: 'settle' },
    ]),
  ],
  [
    'a change during an upload makes the file dirty again',
    well([
      { does: 'writeMeanwhile', during: 'a', name: 'a', size: 5, share: 1, keeps: false },
      { does: 'write', name: 'a', size: 9 },
      { does: 'settle' },
    ]),
  ],
  [
    'what a killed command was writing over stays in the bucket as it was',
    { ...well([{ does: 'write', name: 'a', size: 9 }, { does: 'settle' }]), dies: true },
  ],
];

function well(steps: Step[]): History {
  return { settlesMs: 20, steps, dies: false };
}

function slowly(share: number): Step[] {
  return ['a', 'b'].map((file) => ({ does: 'writeSlowly', name: file, size: 30, share, keeps: false }));
}

describe('whatever a command does to its files, and whatever becomes of requests and agents', () => {
  it.each(KNOWN)('%s', (_, known) => live(bench, known));

  it(
    'the bucket follows the directory, and never has what no file ever was',
    async () => {
      const deadline = performance.now() + SECONDS * 1_000;
      let runs = 0;
      const property = fc.asyncProperty(history, async (each) => {
        // What fast-check interrupts by itself it leaves running, into the next test.
        if (performance.now() > deadline) throw new fc.PreconditionFailure(true);
        runs += 1;
        await live(bench, each);
      });
      await fc.assert(property, {
        numRuns: 100_000,
        markInterruptAsFailure: false,
        ...(SEED === undefined ? {} : { seed: Number(SEED) }),
      });
      expect(runs).toBeGreaterThan(1);
    },
    (SECONDS + 60) * 1_000,
  );
});
