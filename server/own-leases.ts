import { may, type Viewer } from '../core/accounts/keys.ts';
import type { Core } from '../core/core.ts';
import { isOwnLease, type NamedLease } from '../core/leases/own.ts';
import { boundedMap } from '../lib/bounded-map.ts';

/** Leases that are known to be somebody's; above that, what was named longest ago is looked up again. */
const MAX_KNOWN = 10_000;
/** For so long what was found is believed, in milliseconds: a lease that ended is nobody's some time later. */
const KNOWN_MS = 5 * 60_000;

/** The name under which a report is counted for its lease; undefined where it is counted like any other request. */
export type LeaseNames = (viewer: Viewer, lease: NamedLease | undefined) => Promise<string | undefined>;

/**
 * Names leases that there are. What is named and is none, or another account's, has no name: whoever makes leases up would ask as often as
 * it likes, each time for another one.
 */
export function createLeaseNames(core: Core): LeaseNames {
  const knownUntil = boundedMap<number>(MAX_KNOWN);
  return async (viewer, lease) => {
    // Whoever may hold no job keeps none.
    if (lease === undefined || !may(viewer, 'work')) return undefined;
    const name = `${lease.jobId} ${'attempt' in lease ? lease.attempt : lease.machineId}`;
    const key = `${viewer.accountId} ${name}`;
    if ((knownUntil.get(key) ?? 0) > performance.now()) return name;
    if (!(await isOwnLease(core, viewer, lease))) return undefined;
    knownUntil.set(key, performance.now() + KNOWN_MS);
    return name;
  };
}
