import { createInTurn } from '../../lib/in-turn.ts';
import { RateLimitedError } from '../errors.ts';
import type { Fence } from './terms.ts';

/** An agent says one thing of a kind at a time, and again what was not answered in time. */
export const MOST_OF_LEASE = 16;

/**
 * Does what is said under one lease one at a time, in the order in which it came; leases do not wait for each other.
 * @throws RateLimitedError at once, when too much that was said under that lease waits
 */
export type LeaseTurns = <Answer>(fence: Fence, work: () => Promise<Answer>) => Promise<Answer>;

export function createLeaseTurns(): LeaseTurns {
  const inTurn = createInTurn({ most: MOST_OF_LEASE, crowded });
  return (fence, work) => inTurn(nameOf(fence), work);
}

/** Two accounts that name one lease are two: one of them means a job that is not its own. */
function nameOf({ account_id: accountId, job_id: jobId, attempt }: Fence): string {
  return `${accountId} ${jobId.toLowerCase()} ${attempt}`;
}

function crowded(): RateLimitedError {
  return new RateLimitedError(
    `Expected at most ${MOST_OF_LEASE} heartbeats, or chunks of a log, of one attempt at a time, got more. Wait for answers, and send this one again.`,
    1,
  );
}
