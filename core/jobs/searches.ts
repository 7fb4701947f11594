import type { EntityManager } from '../../db/orm.ts';
import { isTimeUp } from '../../db/away.ts';
import { anyOf } from '../../lib/signals.ts';
import { createSlots, type Slots } from '../../lib/slots.ts';
import { InvalidInputError, RateLimitedError } from '../errors.ts';
import { asOneOfFew, asWork } from '../fair-share.ts';

/**
 * The turns of searches. Each may read all jobs of an account, on the connections that claims and heartbeats need: so few run at once,
 * of one account one, and none for long.
 */
export interface Searches {
  /**
   * Waits for a turn, and does it.
   * @param task asks the statement that searches by `inTime`, in a transaction
   * @throws RateLimitedError when others were before it for too long
   * @throws InvalidInputError when the statement took too long
   */
  hold<Result>(accountId: string, task: (inTime: InTime) => Promise<Result>, how?: HowToWait): Promise<Result>;
}

/** How whoever searches waits for it. */
export interface HowToWait {
  /** Whether for as long as it takes, as who follows a feed may. */
  isPatient?: boolean;
  /**
   * Aborted when nobody waits for the answer any more: the turn is not waited for, the statement is cancelled, and the search rejects with
   * the signal's reason.
   */
  gone?: AbortSignal | undefined;
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
    async hold(accountId, task, { isPatient = false, gone = new AbortController().signal } = {}) {
      const patience = new AbortController();
      const timer = isPatient ? undefined : setTimeout(() => patience.abort(crowded(waitMs)), waitMs);
      const signal = anyOf(patience.signal, gone);
      try {
        return await accounts.within(accountId, (own) =>
          own.hold(signal, () => server.hold(signal, () => asOneOfFew('searches', () => task(inTimeOf(timeMs, gone))))),
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
function inTimeOf(timeMs: number, gone: AbortSignal): InTime {
  return async (em, ask) => {
    const [own] = await em.execute<{ pid: number }[]>(
      `select pg_backend_pid() pid, set_config('statement_timeout', '${timeMs}', true),
        set_config('lock_timeout', '${Math.ceil((timeMs * 2) / 3)}', true)`,
    );
    gone.throwIfAborted();
    const cancelling = cancelWhen(gone, em, own?.pid);
    try {
      const answer = await ask();
      await em.execute('set local lock_timeout to default');
      await em.execute('set local statement_timeout to default');
      return answer;
    } catch (error) {
      gone.throwIfAborted();
      throw isTimeUp(error) ? tooWide(timeMs) : error;
    } finally {
      await cancelling.over();
    }
  };
}

/** Cancels what a connection does when the signal is aborted. `over` waits until nothing can be cancelled any more. */
function cancelWhen(gone: AbortSignal, em: EntityManager, pid: number | undefined): { over(): Promise<void> } {
  let asked: Promise<unknown> = Promise.resolve();
  const cancel = (): void => {
    // By another connection, for which it has no turn to wait: its own is what the others wait for. If there is none, the statement has
    // its time, and no more.
    asked = asWork(() => em.fork().execute('select pg_cancel_backend(?::int)', [pid])).catch(() => undefined);
  };
  gone.addEventListener('abort', cancel, { once: true });
  return {
    async over() {
      gone.removeEventListener('abort', cancel);
      await asked;
    },
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
