import { pino } from 'pino';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Fence, raiseFence } from '../../agent/fence.ts';
import { createPresence } from '../../agent/presence.ts';
import type { Vigil } from '../../agent/vigil.ts';

const LEASE_MS = 60_000;
let fence: Fence | undefined;
afterEach(() => fence?.stop());

/** A fence before a storage that only writes down what it is told; looks are made by the test. */
function raised({ claimedAgoMs = 0, graceMillis = 5000, leaseMillis = LEASE_MS } = {}) {
  const told: string[] = [];
  const watchers = new Set<(wasFrozen: boolean) => void>();
  const vigil: Vigil = {
    look: () => undefined,
    watch(onLook) {
      watchers.add(onLook);
      return () => void watchers.delete(onLook);
    },
    stop: () => undefined,
  };
  const presence = createPresence(graceMillis);
  fence = raiseFence({
    claim: { sentAt: performance.now() - claimedAgoMs, leaseMillis },
    ...{ presence, vigil },
    sync: { suspend: async () => void told.push('suspend'), resume: () => void told.push('resume') },
    ask: () => void told.push('ask'),
    log: pino({ enabled: false }),
  });
  return { fence, presence, told, look: (wasFrozen = false) => watchers.forEach((watcher) => watcher(wasFrozen)) };
}

describe('a fence', () => {
  test('keeps from the storage whoever has not renewed in time, and asks; until a heartbeat is acknowledged', async () => {
    const { fence, told, look } = raised({ leaseMillis: 80 });
    look();
    expect(told).toEqual([]);
    await vi.waitFor(() => {
      look();
      expect(told).toEqual(['suspend', 'ask']);
    });
    look();
    fence.renewed(performance.now(), LEASE_MS);
    expect(told).toEqual(['suspend', 'ask', 'resume']);
  });

  test('closes at once when the process was frozen, and believes no answer to an older question', () => {
    const { fence, told, look } = raised();
    const askedBefore = performance.now();
    look(true);
    expect(told).toEqual(['suspend', 'ask']);
    fence.renewed(askedBefore, LEASE_MS);
    expect(told).toEqual(['suspend', 'ask', 'ask']);
    fence.renewed(performance.now(), LEASE_MS);
    expect(told).toEqual(['suspend', 'ask', 'ask', 'resume']);
  });

  test('closes when the watched connection has been silent, and opens when a ping of it is answered', () => {
    const { fence, presence, told } = raised({ claimedAgoMs: 10_000 });
    presence.ask();
    expect(told).toEqual(['suspend', 'ask']);
    fence.renewed(performance.now() - 4500, LEASE_MS);
    expect(told).toEqual(['suspend', 'ask', 'ask']);
    presence.begin(performance.now() - 5000);
    presence.answered(performance.now());
    expect(told).toEqual(['suspend', 'ask', 'ask', 'resume']);
  });

  test('asks once when a new connection is watched, because its pings prove nothing before', () => {
    const { fence, presence, told, look } = raised();
    presence.ask();
    presence.begin(performance.now());
    look();
    expect(told).toEqual(['ask']);
    fence.renewed(performance.now(), LEASE_MS);
    presence.end();
    presence.begin(performance.now());
    look();
    expect(told).toEqual(['ask', 'ask']);
  });

  test('does nothing any more once it is stopped', () => {
    const { fence, presence, told, look } = raised();
    fence.stop();
    look(true);
    presence.ask();
    expect(told).toEqual([]);
  });
});
