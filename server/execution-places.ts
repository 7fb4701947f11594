import { GraphQLError, type ExecutionResult } from 'graphql';
import { RateLimitedError } from '../core/errors.ts';
import type { Asker } from '../core/fair-share.ts';
import { createFairSlots } from '../lib/fair-slots.ts';
import { withPatience } from '../lib/patience.ts';
import { publicError } from '../schema/index.ts';

/** So many operations are executed at a time: what they have read is in memory until they are answered. */
const AT_ONCE = 16;
/** Of one account. */
const MOST_OF_ACCOUNT = 8;
/** So many may wait with one key: what its rate lets in at once. */
const MOST_WAITING = 1_000;
const PATIENCE_MS = 10_000;

/** Where operations are executed, and steps of subscriptions: accounts take turns, and in an account its keys. */
export interface ExecutionPlaces {
  /**
   * Runs when there is a place; whoever waited for one in vain, or has gone meanwhile, gets a result that says so.
   * @param how.isPatient waits however long it takes, and however many of its kind do
   */
  hold(asker: Asker, run: Run, how?: { isPatient: boolean }): Promise<ExecutionResult>;
}

type Run = () => ExecutionResult | Promise<ExecutionResult>;

/** @param options.patienceMs how long one may wait for a place (10,000) */
export function createExecutionPlaces({ patienceMs = PATIENCE_MS }: { patienceMs?: number } = {}): ExecutionPlaces {
  const places = createFairSlots({
    atOnce: AT_ONCE,
    mostOfGroup: MOST_OF_ACCOUNT,
    mostWaiting: MOST_WAITING,
    crowded: () => tooMany(`Expected at most ${MOST_WAITING} operations of one key to wait, got more`),
  });
  const tooLate = () => tooMany(`Others were before this one for ${patienceMs / 1_000} s`);
  return {
    async hold({ accountId, keyId, gone }, run, { isPatient } = { isPatient: false }) {
      const lane = { group: accountId, name: isPatient ? `${keyId} patient` : keyId };
      let giveBack: () => void;
      try {
        const take = (signal: AbortSignal) => places.take(lane, signal, { isPatient });
        giveBack = isPatient
          ? await take(gone?.() ?? NEVER)
          : await withPatience({ ms: patienceMs, tooLate, gone: gone?.() }, take);
      } catch (error) {
        // Thrown, it would end a socket and all the others on it, or a whole subscription.
        return { errors: [publicError(error) ?? new GraphQLError('Who asked has hung up before it was executed')] };
      }
      try {
        return await run();
      } finally {
        giveBack();
      }
    },
  };
}

const NEVER = new AbortController().signal;

function tooMany(why: string): RateLimitedError {
  return new RateLimitedError(`${why}: each account has its turns. Ask again in a moment, and for less at once.`, 1);
}
