import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { metered } from '../../../agent/sync/meter.ts';
import { type Course, createTransferRecord } from '../../../agent/sync/progress.ts';

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('planned' as const), bytes: fc.nat(1000) }),
    fc.record({ kind: fc.constantFrom('moved' as const, 'back' as const), file: fc.nat(20), bytes: fc.nat(1500) }),
    fc.record({
      kind: fc.constant('over' as const),
      fate: fc.constantFrom('DONE' as const, 'DROPPED' as const),
      file: fc.nat(20),
    }),
    fc.record({ kind: fc.constant('again' as const) }),
  ),
);

describe('the record of a transfer', () => {
  test('adds up to what its files say, whatever becomes of them', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const record = createTransferRecord();
        const files: { course: Course; bytes: number; moved: number; fate: 'OPEN' | 'DONE' | 'PAST' | 'DROPPED' }[] =
          [];
        record.begin(0);
        for (const step of history) {
          if (step.kind === 'planned') {
            files.push({ course: record.planned(step.bytes), bytes: step.bytes, moved: 0, fate: 'OPEN' });
          } else if (step.kind === 'again') {
            record.end();
            expect(record.state(0)).toBeUndefined();
            record.begin(0);
            for (const file of files) if (file.fate === 'DONE') file.fate = 'PAST';
          } else {
            const file = files[step.file];
            if (file === undefined) continue;
            if ('fate' in step) {
              file.course[step.fate === 'DONE' ? 'done' : 'dropped']();
              if (file.fate === 'OPEN') file.fate = step.fate;
            } else {
              const bytes = step.kind === 'moved' ? step.bytes : -step.bytes;
              file.course.moved(bytes);
              file.moved += bytes;
            }
          }
        }
        const counted = files.filter(({ fate }) => fate === 'OPEN' || fate === 'DONE');
        const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
        const done = (file: (typeof files)[number]) =>
          file.fate === 'DONE' ? file.bytes : Math.min(file.bytes, Math.max(0, file.moved));
        expect(record.state(0)).toEqual(
          counted.length === 0
            ? undefined
            : {
                filesDone: counted.filter(({ fate }) => fate === 'DONE').length,
                filesTotal: counted.length,
                bytesDone: sum(counted.map(done)),
                bytesTotal: sum(counted.map(({ bytes }) => bytes)),
                bytesPerSecond: 0,
              },
        );
      }),
    );
  });

  test('knows its rate', () => {
    const record = createTransferRecord();
    record.begin(1000);
    const course = record.planned(10_000);
    course.moved(2000);
    expect(record.state(3000)).toMatchObject({ bytesDone: 2000, bytesPerSecond: 1000 });
  });
});

describe('a metered try', () => {
  test('counts as it goes, and takes all of it back when it fails, also what tries within it have moved', async () => {
    let moved = 0;
    const meter = (bytes: number) => void (moved += bytes);
    const failing = metered(meter, async (outer) => {
      outer(5);
      await metered(outer, async (inner) => inner(7));
      const broken = metered(outer, async (inner) => {
        inner(100);
        expect(moved).toBe(112);
        throw new Error('broken');
      });
      await expect(broken).rejects.toThrow('broken');
      expect(moved).toBe(12);
      throw new Error('all of it');
    });
    await expect(failing).rejects.toThrow('all of it');
    expect(moved).toBe(0);
    expect(await metered(meter, async (count) => (count(3), 'done'))).toBe('done');
    expect(moved).toBe(3);
  });
});
