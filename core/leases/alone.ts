import { createFairSlots } from '../../lib/fair-slots.ts';
import { RateLimitedError } from '../errors.ts';
import { shareOfAskers } from '../fair-share.ts';
import type { Fence } from './terms.ts';

/** As `CoreOptions` has it. */
const CONNECTIONS = 10;
/** So many of one account may wait for a place: what is said under some hundred leases whose jobs one transaction holds, and more. */
const MOST_WAITING = 1_000;

/**
 * Does what may wait for a row that another holds, and keeps a connection as long: few at a time, for which accounts take turns.
 * @throws RateLimitedError at once, when too many of that account wait
 */
export type Alone = <Answer>(fence: Fence, work: () => Promise<Answer>) => Promise<Answer>;

/** @param connections of the pool (10): of those that are kept for work these have half at most, as the others are for what waits for nobody */
export function createAlone(connections = CONNECTIONS): Alone {
  const places = createFairSlots({
    atOnce: Math.max(1, Math.floor((connections - shareOfAskers(connections)) / 2)),
    mostWaiting: MOST_WAITING,
    crowded,
  });
  return ({ account_id: group }, work) => places.hold({ group, name: '' }, new AbortController().signal, work);
}

function crowded(): RateLimitedError {
  return new RateLimitedError(
    `Expected at most ${MOST_WAITING} reports of one account to wait for jobs that are being changed, got more. Send it again in a second.`,
    1,
  );
}
