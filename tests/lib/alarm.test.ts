import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAlarm } from '../../lib/alarm.ts';

describe('an alarm', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('rings at each of its times, once for those that lie together, and can be set again', () => {
    const ring = vi.fn();
    const alarm = createAlarm(ring);
    for (const millis of [500, 100, 100, 300]) alarm.setIn(millis);
    vi.advanceTimersByTime(99);
    expect(ring).not.toHaveBeenCalled();
    vi.advanceTimersByTime(21);
    expect(ring).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1_000);
    expect(ring).toHaveBeenCalledTimes(3);
    alarm.setIn(50);
    vi.advanceTimersByTime(70);
    expect(ring).toHaveBeenCalledTimes(4);
  });

  test('whose time has come and has not rung yet is set to a later one as well', () => {
    const ring = vi.fn();
    const alarm = createAlarm(ring);
    alarm.setIn(5);
    // The process was busy: the clock has gone on, and the timers have not.
    vi.spyOn(performance, 'now').mockReturnValueOnce(performance.now() + 40);
    alarm.setIn(1_000);
    vi.advanceTimersByTime(1_100);
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
