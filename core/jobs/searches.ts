import type { EntityManager } from '../../db/orm.ts';
import { isTimeUp } from '../../db/away.ts';
import { createSlots, type Slots } from '../../lib/slots.ts';
import { InvalidInputError, RateLimitedError } from '../errors.ts';

/**
 * The turns of searches. Each may read all jobs of an account, on the connections that claims and heartbeats need: so few run at once,
 * of one account one, and none for long.
 */
export interface Searches {
  /**
   * Waits for a turn, and does it.
   * @param task asks the statement that searches by `inTime`, in a transaction
   * @param how `isPatient`: whether it waits for as long as it takes, as who follows a feed may
   * @throws RateLimitedError when others were before it for too long
   * @throws InvalidInputError when the statement took too long
   */
  hold<Result>(
    accountId: string,
    task: (inTime: InTime) => Promise<Result>,
    how?: { isPatient: boolean },
  ): Promise<Result>;
}

/** Asks one thing in a transaction, in so much time as a search may take. What follows in the transaction has the usual time. */
export type InTime = <Result>(em: EntityManager, ask: () => Promise<Result>) => Promise<Result>;

/** How many run at once on a pool of so many connections: two, or fewer where that would leave few to others. */
const atOnceOf = (connections: number): number => (connections < 8 ? 1 : 2);
const CONNECTIONS = 10;
const WAIT_MS = 5_000;
const TIME_MS = 3_000;

/**
 * @param options.connections of the pool that they have to leave to others (10)
 * @param options.waitMs how long one may wait for its turn (5,000)
 * @param options.timeMs how long its statement may take (3,000)
 */
export function createSearches(options: { connections?: number; waitMs?: number; timeMs?: number } = {}): Searches {
  const { connections = CONNECTIONS, waitMs = WAIT_MS, timeMs = TIME_MS } = options;
  const server = createSlots(atOnceOf(connections));
  const accounts = createLanes();
  return {
    async hold(accountId, task, { isPatient } = { isPatient: false }) {
      const patience = new AbortController();
      const timer = isPatient ? undefined : setTimeout(() => patience.abort(crowded(waitMs)), waitMs);
      try {
        return await accounts.within(accountId, (own) =>
          own.hold(patience.signal, () => server.hold(patience.signal, () => task(inTimeOf(timeMs)))),
        );
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** One lane for each account, for as long as somebody is in it. */
function createLanes() {
  const lanes = new Map<string, { slots: Slots; users: number }>();
  return {
    async within<Result>(accountId: string, work: (slots: Slots) => Promise<Result>): Promise<Result> {
      const lane = lanes.get(accountId) ?? { slots: createSlots(1), users: 0 };
      lanes.set(accountId, lane);
      lane.users += 1;
      try {
        return await work(lane.slots);
      } finally {
        lane.users -= 1;
        if (lane.users === 0) lanes.delete(accountId);
      }
    },
  };
}

/** Who waits for a row that somebody holds has not searched for too long: that wait is over first. */
function inTimeOf(timeMs: number): InTime {
  return async (em, ask) => {
    await em.execute(`set local statement_timeout = ${timeMs}`);
    await em.execute(`set local lock_timeout = ${Math.ceil((timeMs * 2) / 3)}`);
    const answer = await ask().catch((error: unknown) => {
      throw isTimeUp(error) ? tooWide(timeMs) : error;
    });
    await em.execute('set local lock_timeout to default');
    await em.execute('set local statement_timeout to default');
    return answer;
  };
}

function crowded(waitMs: number): RateLimitedError {
  const message = `Other searches were before this one for ${waitMs / 1_000} s: few run at once, of one account one. Ask again in a moment`;
  return new RateLimitedError(message, 1);
}

function tooWide(timeMs: number): InvalidInputError {
  const message = `Expected a search that takes at most ${timeMs / 1_000} s: there are too many jobs. Narrow it by container group or status`;
  return new InvalidInputError([{ path: ['filter', 'search'], message }]);
}
