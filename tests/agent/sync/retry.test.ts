import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_RETRIES, withRetries } from '../../../agent/sync/retry.ts';
import { always } from './support/bench.ts';

const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };

describe('with the retries that are the default', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it.each([0, 0.999])('an outage of a minute is survived, whatever chance makes of the waits (%f)', async (chance) => {
    vi.spyOn(Math, 'random').mockReturnValue(chance);
    const began = Date.now();
    const request = async () => {
      if (Date.now() - began < 60_000) throw new Error('the store is away');
      return 'stored';
    };
    const stored = withRetries({ maxRetries: DEFAULT_RETRIES, log }, 'upload', always, request);
    stored.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(200_000);
    expect(await stored).toBe('stored');
  });

  it('what the next try would meet again is not repeated', async () => {
    const denied = Object.assign(new Error('no'), { name: 'AccessDenied' });
    const request = vi.fn(() => Promise.reject(denied));
    await expect(withRetries({ maxRetries: DEFAULT_RETRIES, log }, 'upload', always, request)).rejects.toBe(denied);
    expect(request).toHaveBeenCalledTimes(1);
  });
});
