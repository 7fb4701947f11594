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

/** Where operations are executed, steps of subscriptions, and parts of long lists: accounts take turns, and in an account its keys. */
export interface ExecutionPlaces {
  /**
   * Waits for a place, to be given back by calling what this resolves to, once.
   * @param how.isPatient waits however long it takes, and however many of its kind do
   * @throws RateLimitedError when it waited in vain
   * @throws an AbortError when who asked has gone meanwhile
   */
  take(asker: Asker, how?: HowToWait): Promise<() => void>;
  /**
   * Runs when there is a place; whoever waited for one in vain, or has gone meanwhile, gets a result that says so.
   */
  hold(asker: Asker, run: Run, how?: HowToWait): Promise<ExecutionResult>;
}

interface HowToWait {
  isPatient: boolean;
}

type Run = () => ExecutionResult | Promise<ExecutionResult>;

/** @param options.patienceMs how long one may wait for a place (10,000) */
export function createExecutionPlaces({
  patienceMs = PATIENCE_MS,
}: { patienceMs?: number | undefined } = {}): ExecutionPlaces {
  const places = createFairSlots({
    atOnce: AT_ONCE,
    mostOfGroup: MOST_OF_ACCOUNT,
    mostWaiting: MOST_WAITING,
    crowded: () => tooMany(`Expected at most ${MOST_WAITING} operations of one key to wait, got more`),
  });
  const tooLate = () => tooMany(`Others were before this one for ${patienceMs / 1_000} s`);
  const takePlace: ExecutionPlaces['take'] = async (
    { accountId, keyId, gone },
    { isPatient } = { isPatient: false },
  ) => {
    const lane = { group: accountId, name: isPatient ? `${keyId} patient` : keyId };
    const leaving = gone?.();
    try {
      const take = (signal: AbortSignal) => places.take(lane, signal, { isPatient });
      return await (isPatient
        ? take(leaving ?? NEVER)
        : withPatience({ ms: patienceMs, tooLate, gone: leaving }, take));
    } catch (error) {
      // Signals give all kinds of reasons, some of them no errors.
      throw leaving?.aborted === true ? new DOMException('Who asked has hung up', 'AbortError') : error;
    }
  };
  return {
    take: takePlace,
    async hold(asker, run, how) {
      let giveBack: () => void;
      try {
        giveBack = await takePlace(asker, how);
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
