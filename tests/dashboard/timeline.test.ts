import { describe, expect, test } from 'vitest';
import { barsOf, legible, type PastEvent } from '../../dashboard/live/timeline.ts';
import { bytes, duration, percent } from '../../dashboard/parts/format.ts';

const at = (second: number): string => new Date(second * 1_000).toISOString();
const attempt = (
  number: number,
  from: number,
  to: number | null,
  outcome: 'LOST' | 'COMPLETED' | 'CANCELED' | null,
) => ({
  ...{ number, machineId: `m-${number}`, phase: null, outcome, reason: null, exitCode: null, signal: null },
  ...{ startedAt: at(from), endedAt: to === null ? null : at(to) },
  ...{ filesDownloaded: 0, filesUploaded: 0, bytesDownloaded: '0', bytesUploaded: '0' },
});
const event = (second: number, of: number, type: PastEvent['type'], data = {}): PastEvent => {
  return { seq: second, type, at: at(second), attempt: of, data };
};
const whole = (events: PastEvent[], now = 1_000_000) => ({ events, isWhole: true, now });

describe('the timeline', () => {
  test('has phases without holes, checkpoints, and what was lost after the last one', () => {
    const events = [
      event(12, 1, 'PHASE_CHANGED', { phase: 'DOWNLOADING' }),
      event(15, 1, 'PHASE_CHANGED', { phase: 'RUNNING' }),
      event(20, 1, 'CHECKPOINT_SAVED'),
      event(30, 1, 'CHECKPOINT_SAVED'),
      event(41, 2, 'PHASE_CHANGED', { phase: 'RUNNING' }),
    ];
    const [first, second] = barsOf([attempt(1, 10, 35, 'LOST'), attempt(2, 40, null, null)], whole(events, 50_000));
    expect(first).toEqual({
      ...{ number: 1, machineId: 'm-1', outcome: 'LOST', from: 10_000, to: 35_000, lostFrom: 30_000 },
      phases: [
        { phase: undefined, from: 10_000, to: 12_000 },
        { phase: 'DOWNLOADING', from: 12_000, to: 15_000 },
        { phase: 'RUNNING', from: 15_000, to: 35_000 },
      ],
      checkpoints: [20_000, 30_000],
    });
    expect(second).toMatchObject({ outcome: undefined, to: 50_000, lostFrom: undefined });
  });

  test('counts as lost only what was computed, and nothing of what ended well or was cancelled', () => {
    const lost = (outcome: 'LOST' | 'COMPLETED' | 'CANCELED', events: PastEvent[]) =>
      barsOf([attempt(1, 10, 35, outcome)], whole(events))[0]?.lostFrom;
    const ran = event(15, 1, 'PHASE_CHANGED', { phase: 'RUNNING' });
    expect(lost('LOST', [ran])).toBe(15_000);
    expect(lost('LOST', [])).toBeUndefined();
    expect(lost('COMPLETED', [ran])).toBeUndefined();
    expect(lost('CANCELED', [ran])).toBeUndefined();
  });

  test('says nothing of losses before the first event that is known', () => {
    const events = [event(100, 2, 'PHASE_CHANGED', { phase: 'RUNNING' })];
    const attempts = [attempt(1, 10, 35, 'LOST'), attempt(2, 100, 120, 'LOST')];
    const bars = barsOf(attempts, { events, isWhole: false, now: 200_000 });
    expect(bars.map(({ lostFrom }) => lostFrom)).toEqual([undefined, 100_000]);
  });

  test('reaches as far as what is known of it, though the reader’s clock is behind', () => {
    const [bar] = barsOf([attempt(1, 10, null, null)], whole([event(30, 1, 'CHECKPOINT_SAVED')], 20_000));
    expect(bar).toMatchObject({ to: 30_000, checkpoints: [30_000] });
  });

  test('never reaches backwards, whatever clocks say', () => {
    const [bar] = barsOf(
      [attempt(1, 10, null, null)],
      whole([event(5, 1, 'PHASE_CHANGED', { phase: 'RUNNING' })], 9_000),
    );
    expect(bar).toMatchObject({ from: 10_000, to: 10_000, phases: [] });
  });
});

describe('the times below a picture', () => {
  const seconds = (...each: number[]) => each.map((second) => new Date(second * 1_000));
  const x = (at: Date) => at.getTime() / 1_000;

  test('are all there where they have room', () => {
    expect(legible(seconds(0, 130, 220, 400), x, 400)).toHaveLength(4);
  });

  test('never run into one another, also where the last one leans inwards', () => {
    expect(legible(seconds(0, 60, 120, 180, 240), x, 1_000)).toEqual(seconds(0, 120, 240));
    expect(legible(seconds(50, 150, 250, 295), x, 300)).toEqual(seconds(50, 150, 250));
  });
});

test.for([
  [duration(0.4), '0 s'],
  [duration(59.6), '1 min'],
  [duration(3_700), '1 h 1 min'],
  [duration(90_000), '1 d 1 h'],
  [duration(86_405), '1 d'],
  [bytes('0'), '0 B'],
  [bytes(1_023), '1,020 B'],
  [bytes('1073741824'), '1 GiB'],
  [bytes(1_610_612_736), '1.5 GiB'],
  [percent(0.999), '99 %'],
  [percent(7), '100 %'],
] as const)('%s is told as %s', ([told, expected]) => expect(told).toBe(expected));
