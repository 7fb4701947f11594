import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Presence, afterFreeze, heard, proofOfClaim, renewed, trustedUntil } from '../../agent/trust.ts';

const GRACE = 5000;
const LEASE = { sentAt: 1000, leaseMillis: 60_000 };
const claimed = proofOfClaim(LEASE);
const alone: Presence = { isWatched: false, since: undefined, answeredAt: -Infinity };
const watched: Presence = { isWatched: true, since: 500, answeredAt: -Infinity };

describe('the proof of a lease', () => {
  test('without a connection that is watched, it lasts for the lease less two seconds', () => {
    expect(trustedUntil(claimed, alone, GRACE)).toBe(59_000);
    expect(trustedUntil(renewed(claimed, { sentAt: 20_000, leaseMillis: 60_000 }), alone, GRACE)).toBe(78_000);
  });

  test('with one, it also ends a second before the grace, counted from the last question that was answered', () => {
    expect(trustedUntil(claimed, watched, GRACE)).toBe(5000);
    const answered = heard(claimed, { ...watched, answeredAt: 7000 });
    expect(trustedUntil(answered, watched, GRACE)).toBe(11_000);
    expect(trustedUntil(renewed(answered, { sentAt: 8000, leaseMillis: 60_000 }), watched, GRACE)).toBe(12_000);
  });

  test('an answered ping proves nothing on a connection on which no heartbeat was sent', () => {
    const reconnected = { ...watched, since: 3000, answeredAt: 7000 };
    expect(heard(claimed, reconnected)).toEqual(claimed);
    const asked = renewed(claimed, { sentAt: 3001, leaseMillis: 60_000 });
    expect(trustedUntil(heard(asked, reconnected), reconnected, GRACE)).toBe(11_000);
  });

  test('an answered ping proves nothing of a connection that no server watches yet', () => {
    expect(heard(claimed, { isWatched: true, since: undefined, answeredAt: 7000 })).toEqual(claimed);
  });

  test('after a freeze, nothing that was sent before it is believed, however late its answer comes', () => {
    const woken = afterFreeze(claimed, 10_000);
    expect(trustedUntil(woken, watched, GRACE)).toBe(-Infinity);
    expect(trustedUntil(renewed(woken, { sentAt: 9999, leaseMillis: 60_000 }), watched, GRACE)).toBe(-Infinity);
    expect(heard(woken, { ...watched, answeredAt: 9999 })).toEqual(woken);
    const asked = renewed(woken, { sentAt: 10_000, leaseMillis: 60_000 });
    expect(trustedUntil(asked, watched, GRACE)).toBe(14_000);
  });

  test('of a short lease, and of a short grace, a quarter is held back', () => {
    expect(trustedUntil(proofOfClaim({ sentAt: 0, leaseMillis: 2000 }), alone, GRACE)).toBe(1500);
    expect(trustedUntil(claimed, watched, 1000)).toBe(1750);
  });

  test('no answer ever takes trust away, and an older one adds none', () => {
    const moments = fc.integer({ min: 0, max: 100_000 });
    fc.assert(
      fc.property(moments, moments, moments, (first, second, ping) => {
        const proof = renewed(claimed, { sentAt: first, leaseMillis: 60_000 });
        const later = renewed(proof, { sentAt: second, leaseMillis: 60_000 });
        const answered = heard(proof, { ...watched, answeredAt: ping });
        for (const next of [later, answered]) {
          expect(trustedUntil(next, watched, GRACE)).toBeGreaterThanOrEqual(trustedUntil(proof, watched, GRACE));
        }
        if (second <= first) expect(later).toEqual(proof);
      }),
    );
  });
});
