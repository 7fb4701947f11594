import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DeletionQueue,
  type MirrorPlan,
  planMirror,
  type PlannedUpload,
  queueDeletions,
  releaseDeletions,
  startable,
} from '../../../agent/sync/plan.ts';
import type { Observed } from '../../../agent/sync/scan.ts';

const state = (version: number, ctime = version): Observed => ({
  size: version,
  mtimeNs: BigInt(version),
  ino: 1n,
  ctimeNs: BigInt(ctime),
});

const files = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.integer({ min: 1, max: 4 }))
  .map((versions) => new Map(Object.entries(versions).map(([id, version]) => [id, state(version)])));

describe('a plan', () => {
  it('uploads exactly what differs from the bucket, in the order of writing', () => {
    fc.assert(
      fc.property(files, files, fc.boolean(), (known, seen, complete) => {
        const { uploads } = planMirror(known, seen, complete);
        const differing = [...seen].filter(([id, { size }]) => known.get(id)?.size !== size).map(([id]) => id);
        expect(uploads.map(({ id }) => id).sort()).toEqual(differing.sort());
        const times = uploads.map((upload) => upload.state.ctimeNs);
        expect(times).toEqual(times.toSorted((a, b) => Number(a - b)));
      }),
    );
  });

  it('deletes only known objects whose file is gone, and none after a scan that did not see everything', () => {
    fc.assert(
      fc.property(files, files, fc.boolean(), (known, seen, complete) => {
        const { deletions } = planMirror(known, seen, complete);
        const gone = [...known.keys()].filter((id) => !seen.has(id));
        expect(deletions.sort()).toEqual(complete ? gone.sort() : []);
      }),
    );
  });

  it('takes files of one tick of the clock for written in the order of their making, and a rewritten one for the last', () => {
    const made = (ino: bigint): Observed => ({ size: 1, mtimeNs: 7n, ctimeNs: 7n, ino });
    const seen = new Map([
      ['a-latest', made(1n)],
      ['b-marker', made(9n)],
      ['c-weights', made(8n)],
    ]);
    const { uploads } = planMirror(new Map([['a-latest', state(1)]]), seen, true);
    expect(uploads.map(({ id }) => id)).toEqual(['c-weights', 'b-marker', 'a-latest']);
  });

  it('keeps the order of the last files of a large burst and of the ones that are written again', () => {
    const ids = Array.from({ length: 100 }, (_, index) => `file-${String(index).padStart(3, '0')}`);
    const seen = new Map(ids.map((id, index) => [id, state(index + 1)]));
    const { uploads } = planMirror(new Map([['file-005', state(99)]]), seen, true);
    const markers = uploads.filter(({ marker }) => marker).map(({ id }) => id);
    expect(markers).toEqual(['file-005', ...ids.slice(-16)]);
  });
});

describe('what may start', () => {
  const BURST_MS = 1_000;
  const upload = (id: string, ctime: number, marker: boolean): PlannedUpload => ({
    id,
    state: state(ctime),
    previous: undefined,
    marker,
  });

  it('is no marker while something written before it has not settled', () => {
    const uploads = [upload('data', 1, true), upload('latest', 2, true), upload('shard', 3, false)];
    expect(startable(uploads, (id) => id !== 'data', BURST_MS).map(({ id }) => id)).toEqual(['shard']);
    expect(startable(uploads, () => true, BURST_MS)).toEqual(uploads);
  });

  it('is a marker although something written after it goes on changing', () => {
    const uploads = [upload('latest', 1, true), upload('log', 2, true)];
    expect(startable(uploads, (id) => id !== 'log', BURST_MS).map(({ id }) => id)).toEqual(['latest']);
  });
});

describe('a marker', () => {
  it('does not wait for what was written long before it', () => {
    const uploads = planMirror(
      new Map(),
      new Map([
        ['weights', state(1, 0)],
        ['latest', state(2, 1_000_000_000)],
        ['metrics', state(3, 1_000_000_001)],
      ]),
      true,
    ).uploads;
    expect(startable(uploads, (id) => id !== 'weights', 1_000).map(({ id }) => id)).toEqual(['metrics']);
  });
});

describe('the queue of deletions', () => {
  it('holds a deletion until every upload that was pending with it is published', () => {
    const plan = planMirror(
      new Map([['old', state(1)]]),
      new Map([
        ['x', state(2)],
        ['y', state(3)],
      ]),
      true,
    );
    const queue = queueDeletions(
      new Map(),
      plan,
      new Map([
        ['x', state(2)],
        ['y', state(3)],
      ]),
    );
    const seen = new Map([
      ['x', state(2)],
      ['y', state(3)],
    ]);
    const sure = queueDeletions(queue, plan, seen);
    const first = releaseDeletions(sure, new Set(['x']));
    expect(first.due).toEqual([]);
    expect(releaseDeletions(first.queue, new Set(['y'])).due).toEqual(['old']);
  });

  it('holds a deletion until two complete scans in a row have missed the file', () => {
    const known = new Map([['old', state(1)]]);
    const nothing = new Map<string, Observed>();
    const whole = planMirror(known, nothing, true);
    const partial = planMirror(known, nothing, false);
    const due = (plans: readonly MirrorPlan[]) => {
      const queue = plans.reduce<DeletionQueue>((before, plan) => queueDeletions(before, plan, nothing), new Map());
      return releaseDeletions(queue, new Set()).due;
    };
    expect(due([whole])).toEqual([]);
    expect(due([whole, partial])).toEqual([]);
    expect(due([whole, whole])).toEqual(['old']);
  });

  it('waits for the successor of a file that is gone before it was published', () => {
    const known = new Map([['c1', state(1)]]);
    const second = new Map([['c2', state(2)]]);
    const queue = queueDeletions(new Map(), planMirror(known, second, true), second);
    const third = new Map([['c3', state(3)]]);
    const moved = queueDeletions(queue, planMirror(known, third, true), third);
    expect(releaseDeletions(moved, new Set()).due).toEqual([]);
    expect(releaseDeletions(moved, new Set(['c3'])).due).toEqual(['c1']);
  });

  it('forgets a deletion when the file is back', () => {
    const queue = queueDeletions(new Map(), planMirror(new Map([['a', state(1)]]), new Map(), true), new Map());
    const back = new Map([['a', state(1)]]);
    expect(queueDeletions(queue, planMirror(back, back, true), back).size).toBe(0);
  });

  it('never lets the bucket go without a checkpoint, however files come and go', () => {
    const step = fc.record({
      seen: files.filter((seen) => seen.size > 0),
      arrives: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e')),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const bucket = new Map([['a', state(1)]]);
        let queue: DeletionQueue = new Map();
        for (const { seen, arrives } of steps) {
          const plan = planMirror(bucket, seen, true);
          queue = queueDeletions(queue, plan, seen);
          const published = plan.uploads.filter(({ id }) => arrives.some((name) => name === id));
          for (const { id, state: present } of published) bucket.set(id, present);
          const released = releaseDeletions(queue, new Set(published.map(({ id }) => id)));
          queue = released.queue;
          for (const id of released.due) {
            expect(seen.has(id)).toBe(false);
            bucket.delete(id);
          }
          expect(bucket.size).toBeGreaterThan(0);
        }
      }),
    );
  });
});
