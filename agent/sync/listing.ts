import { messageOf } from '../../lib/errors.ts';
import type { SyncEntry } from './entry.ts';
import { SyncError } from './errors.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { ObjectStore, StoredObject } from './s3.ts';

export interface Listing {
  store: Pick<ObjectStore, 'listPage'>;
  policy: RetryPolicy;
  signal: AbortSignal;
  /** Shared by all lists that are held at once. */
  budget: ListingBudget;
}

/** What may be wanted at once: all of it is known before the first object is fetched. */
export interface ListingBounds {
  objects: number;
  /** Of their keys, ETags and local names. */
  bytes: number;
}

/** An object, and the names that it would have here. */
export interface Named extends StoredObject {
  relativePath?: string;
  expandedPath?: string | undefined;
}

/** What is left of the bounds. */
export interface ListingBudget {
  readonly most: ListingBounds;
  /** @returns whether there was room for it */
  take(one: Named): boolean;
  /** It is held no longer. */
  giveBack(one: Named): void;
}

const MOST: ListingBounds = { objects: 1_000_000, bytes: 256 * 2 ** 20 };
/** Of one list so many times as many objects are looked at as may be kept. */
const LOOKED_AT_TIMES = 10;
/** A page counts as so many objects at least: stores may give short ones, but none gives empty ones for ever. */
const LEAST_OF_PAGE = 100;

/** 1,000,000 objects, and 256 MiB. */
export function createListingBudget(most = MOST): ListingBudget {
  let [objects, bytes] = [0, 0];
  return {
    most,
    take(one) {
      objects += 1;
      bytes += bytesOf(one);
      return objects <= most.objects && bytes <= most.bytes;
    },
    giveBack(one) {
      objects -= 1;
      bytes -= bytesOf(one);
    },
  };
}

function bytesOf({ key, etag = '', relativePath = '', expandedPath = '' }: Named): number {
  return [key, etag, relativePath, expandedPath].reduce((sum, name) => sum + Buffer.byteLength(name), 0);
}

/**
 * What `pick` makes of the objects below an entry's prefix, in the order of the store. What it makes nothing of is not kept.
 * @throws SyncError naming the entry, when it cannot be listed, does not end, or wants more than the budget has left
 */
export async function listPicked<Picked extends Named>(
  { budget, ...listing }: Listing,
  entry: SyncEntry,
  pick: (object: StoredObject) => Picked | undefined,
): Promise<Picked[]> {
  const picked: Picked[] = [];
  const mostLookedAt = LOOKED_AT_TIMES * budget.most.objects;
  let lookedAt = 0;
  let token: string | undefined;
  do {
    const page = await pageOf(listing, entry, token);
    if (page.next !== undefined && page.next === token) {
      throw new SyncError(
        `${entry.name}: the store gave the same token for the rest of the list twice, so it never ends`,
      );
    }
    lookedAt += Math.max(LEAST_OF_PAGE, page.objects.length);
    if (page.next !== undefined && lookedAt > mostLookedAt) throw tooLong(entry, mostLookedAt);
    for (const object of page.objects) {
      const one = pick(object);
      if (one === undefined) continue;
      if (!budget.take(one)) throw tooMuch(entry, budget.most);
      picked.push(one);
    }
    token = page.next;
  } while (token !== undefined);
  return picked;
}

async function pageOf({ store, policy, signal }: Omit<Listing, 'budget'>, entry: SyncEntry, token: string | undefined) {
  try {
    const list = () => store.listPage(entry.bucket, entry.prefix, token, signal);
    return await withRetries(policy, `list ${entry.name}`, signal, list);
  } catch (error) {
    signal.throwIfAborted();
    throw new SyncError(`${entry.name}: the bucket could not be listed: ${messageOf(error)}`, { cause: error });
  }
}

function tooLong(entry: SyncEntry, objects: number): SyncError {
  return new SyncError(
    `${entry.name}: expected at most ${objects} objects below the prefix, whatever the pattern, and there are more; narrow the prefix`,
  );
}

function tooMuch(entry: SyncEntry, { objects, bytes }: ListingBounds): SyncError {
  const expected = `expected at most ${objects} objects in all entries together, with ${bytes} bytes of names`;
  return new SyncError(
    `${entry.name}: ${expected}, and there are more; narrow the prefixes or the patterns, or pack small files`,
  );
}
