import { may, type Viewer } from '../core/accounts/keys.ts';
import type { Core } from '../core/core.ts';
import { RateLimitedError } from '../core/errors.ts';
import { isOwnLease, type NamedLease } from '../core/leases/own.ts';
import { boundedMap } from '../lib/bounded-map.ts';
import { createFairSlots } from '../lib/fair-slots.ts';

/** Leases that are known to be somebody's; above that, what was named longest ago is looked up again. */
const MAX_KNOWN = 10_000;
/** For so long what was found is believed, in milliseconds: a lease that ended is nobody's some time later. */
const KNOWN_MS = 5 * 60_000;
/** So many names of no lease are remembered, apart from the others: who makes names up drives out none of those. */
const MAX_MISSED = 10_000;
/** For so long (milliseconds): whoever repeats itself is looked up once, and a lease that begins meanwhile loses little. */
const MISSED_MS = 2_000;
/** So many are looked up at a time: who makes leases up takes the database from nobody. */
const LOOKS_AT_ONCE = 3;
/** So many may wait with one key: a fleet of that many workers that begins at once, or a flood of which the rest is told to come again. */
const MOST_WAITING = 1_000;

/** Who names a lease. */
export interface NamedBy {
  viewer: Viewer;
  /** Names the credentials, without telling them: each have a queue of their own. */
  credential: string;
}

/** A report, as far as it is counted for a lease. */
export interface Report {
  /** Undefined where it names none. */
  lease: NamedLease | undefined;
  /** Aborted when nobody waits for the answer any more; asked for only where somebody has to wait. */
  gone: () => AbortSignal;
}

/**
 * The name under which a report is counted for its lease; undefined where it is counted like any other request.
 * @throws RateLimitedError when too many leases are to be looked up for these credentials
 * @throws DOMException of the name `AbortError` when who asks is gone before that
 */
export type LeaseNames = (by: NamedBy, report: Report) => Promise<string | undefined>;

/**
 * Names leases that there are. What is named and is none, or another account's, has no name: whoever makes leases up would ask as often as
 * it likes, each time for another one. Accounts take turns to have theirs looked up, so nobody waits for what others make up.
 * @param options.missedMs for how long what is none is remembered, in milliseconds (2,000)
 */
export function createLeaseNames(core: Core, { missedMs = MISSED_MS }: { missedMs?: number } = {}): LeaseNames {
  const known = createMemory(MAX_KNOWN, KNOWN_MS);
  const missed = createMemory(MAX_MISSED, missedMs);
  const looks = createFairSlots({ atOnce: LOOKS_AT_ONCE, mostWaiting: MOST_WAITING, crowded });

  const recall = (key: string): boolean | undefined => {
    if (known.has(key)) return true;
    return missed.has(key) ? false : undefined;
  };
  const lookUp = async (viewer: Viewer, lease: NamedLease, key: string): Promise<boolean> => {
    // Somebody may have asked the same while this waited.
    const recalled = recall(key);
    if (recalled !== undefined) return recalled;
    const isOwn = await isOwnLease(core, viewer, lease);
    (isOwn ? known : missed).add(key);
    return isOwn;
  };

  return async ({ viewer, credential }, { lease, gone }) => {
    // Whoever may hold no job keeps none.
    if (lease === undefined || !may(viewer, 'work')) return undefined;
    const name = `${lease.jobId} ${'attempt' in lease ? `attempt ${lease.attempt}` : `machine ${lease.machineId}`}`;
    const key = `${viewer.accountId} ${name}`;
    const lane = { group: viewer.accountId, name: credential };
    const isOwn =
      recall(key) ?? (await unlessGone(gone(), (signal) => looks.hold(lane, signal, () => lookUp(viewer, lease, key))));
    return isOwn ? name : undefined;
  };
}

/** Signals of requests give all kinds of reasons, some of them no errors. */
async function unlessGone<Result>(gone: AbortSignal, work: (gone: AbortSignal) => Promise<Result>): Promise<Result> {
  try {
    return await work(gone);
  } catch (error) {
    throw gone.aborted ? new DOMException('Who asked has hung up', 'AbortError') : error;
  }
}

function createMemory(max: number, forMs: number) {
  const until = boundedMap<number>(max);
  return {
    has: (key: string): boolean => (until.get(key) ?? 0) > performance.now(),
    add: (key: string): void => until.set(key, performance.now() + forMs),
  };
}

function crowded(): RateLimitedError {
  return new RateLimitedError(
    `Expected at most ${MOST_WAITING} leases at a time to be looked up for one key, got more. Send the heartbeat or report again in a second.`,
    1,
  );
}
