import { setTimeout as delay } from 'node:timers/promises';
import type { Tally } from './agents.ts';
import { submit, type Fleet } from './fleet.ts';

/** A job that was submitted for those who wait. */
export interface Submitted {
  id: string;
  at: number;
}

/** What became of it, in milliseconds: until somebody was told, until somebody had it, and how long the claim itself took. */
export interface Woken {
  wake: number;
  got: number;
  claim: number;
}

/**
 * Submits one job after another, `everyMs` after the one before was taken, and gives the last one a second to be claimed.
 * @param withinMs no further one is submitted after so long
 */
export async function submitOneByOne(
  fleet: Fleet,
  count: number,
  everyMs: number,
  withinMs = Infinity,
): Promise<Submitted[]> {
  const submitted: Submitted[] = [];
  const until = performance.now() + withinMs;
  while (submitted.length < count && performance.now() < until) {
    const at = performance.timeOrigin + performance.now();
    const [id = ''] = await submit(fleet, 'idle', 1);
    submitted.push({ id, at });
    await delay(everyMs);
  }
  await delay(1_000);
  return submitted;
}

/** Of those jobs that were announced and claimed. */
export function wokenBy(submitted: readonly Submitted[], tallies: readonly Tally[]): Woken[] {
  const wakes = tallies.flatMap((tally) => tally.wakes).sort((a, b) => a - b);
  const claims = new Map(tallies.flatMap((tally) => tally.claims).map((claim) => [claim.jobId, claim]));
  return submitted.flatMap(({ id, at }) => {
    const claim = claims.get(id);
    const wake = wakes.find((time) => time > at);
    return claim === undefined || wake === undefined
      ? []
      : [{ wake: wake - at, got: claim.gotAt - at, claim: claim.gotAt - claim.askedAt }];
  });
}
