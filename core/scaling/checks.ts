import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { boundedMap } from '../../lib/bounded-map.ts';
import { createFairSlots } from '../../lib/fair-slots.ts';
import { RateLimitedError } from '../errors.ts';
import { type Group, GroupNotFound, type GroupRef, type Provider } from './provider.ts';

/**
 * Whether there is the group that somebody wants a rule for. The provider answers only so often, for all accounts together, and its answers
 * are what rules act by: whoever makes groups up must cost nobody else any.
 */
export interface GroupChecks {
  /**
   * The group as its provider knows it.
   * @throws GroupNotFound, ProviderTrouble as the provider does
   * @throws RateLimitedError when the account has asked too often
   */
  find(ref: GroupRef, signal: AbortSignal): Promise<Group>;
}

/** So many groups that there are not may be looked up for one account in a minute; */
const MISSES_PER_MINUTE = 10;
/** and so many in all, as one script makes rules for all groups that somebody has. */
const LOOKS_PER_MINUTE = 100;
/** So many questions at a time, of which one account has one; so many of its others may wait. */
const [AT_ONCE, OF_ACCOUNT, MOST_WAITING] = [4, 1, 20];
/** What the provider does not know is not asked again for so long (milliseconds): who makes a group now has its rule soon. */
const MISSED_MS = 15_000;
const MAX_MISSED = 10_000;

/** @param options.missedMs for how long a group that there is not is remembered, in milliseconds (15,000) */
export function createGroupChecks(
  provider: Provider,
  { missedMs = MISSED_MS }: { missedMs?: number } = {},
): GroupChecks {
  const turns = createFairSlots({ atOnce: AT_ONCE, mostOfGroup: OF_ACCOUNT, mostWaiting: MOST_WAITING, crowded });
  const looks = new RateLimiterMemory({ points: LOOKS_PER_MINUTE, duration: 60 });
  const misses = new RateLimiterMemory({ points: MISSES_PER_MINUTE, duration: 60 });
  const missed = boundedMap<{ error: GroupNotFound; until: number }>(MAX_MISSED);

  const recall = (name: string): void => {
    const known = missed.get(name);
    if (known !== undefined && known.until > performance.now()) throw known.error;
  };
  const look = async (ref: GroupRef, name: string, signal: AbortSignal): Promise<Group> => {
    // Somebody may have asked the same while this waited.
    recall(name);
    // One account has one turn, so no other miss of its comes in between.
    demand(await misses.get(ref.accountId), MISSES_PER_MINUTE - 1, 'that there are not');
    demand(await looks.penalty(ref.accountId), LOOKS_PER_MINUTE, 'in all');
    try {
      return await provider.get(ref, signal, { isCheck: true });
    } catch (error) {
      if (error instanceof GroupNotFound) {
        missed.set(name, { error, until: performance.now() + missedMs });
        await misses.penalty(ref.accountId);
      }
      throw error;
    }
  };
  return {
    async find(ref, signal) {
      const { accountId, organization, project, containerGroupId } = ref;
      const name = JSON.stringify([accountId, organization, project, containerGroupId]);
      recall(name);
      return turns.hold({ group: accountId, name: accountId }, signal, () => look(ref, name, signal));
    },
  };
}

/** @throws RateLimitedError until the minute in which was counted is over */
function demand(counted: RateLimiterRes | null, most: number, which: string): void {
  if (counted === null || counted.msBeforeNext <= 0 || counted.consumedPoints <= most) return;
  throw new RateLimitedError(
    `Expected at most ${MISSES_PER_MINUTE} container groups that there are not, and ${LOOKS_PER_MINUTE} in all, to be looked up in a minute for scaling rules of one account, got more ${which}. Wait, and check the ids.`,
    Math.max(1, Math.ceil(counted.msBeforeNext / 1_000)),
  );
}

function crowded(): RateLimitedError {
  return new RateLimitedError(
    `Expected at most ${MOST_WAITING} scaling rules of one account to be made at a time, got more. Make them one after another.`,
    1,
  );
}
