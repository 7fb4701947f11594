import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAlarm } from '../../lib/alarm.ts';

describe('an alarm', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('rings once, at the earliest of its times, and can be set again', () => {
    const ring = vi.fn();
    const alarm = createAlarm(ring);
    for (const millis of [500, 100, 300]) alarm.setIn(millis);
    vi.advanceTimersByTime(99);
    expect(ring).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1_000);
    expect(ring).toHaveBeenCalledTimes(1);
    alarm.setIn(50);
    vi.advanceTimersByTime(50);
    expect(ring).toHaveBeenCalledTimes(2);
  });

  test('that is stopped does not ring', () => {
    const ring = vi.fn();
    const alarm = createAlarm(ring);
    alarm.setIn(10);
    alarm.stop();
    vi.advanceTimersByTime(1_000);
    expect(ring).not.toHaveBeenCalled();
  });
});
