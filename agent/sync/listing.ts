import { messageOf } from '../../lib/errors.ts';
import type { SyncEntry } from './entry.ts';
import { SyncError } from './errors.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { ObjectStore, StoredObject } from './s3.ts';

export interface Listing {
  store: Pick<ObjectStore, 'listPage'>;
  policy: RetryPolicy;
  signal: AbortSignal;
  /** 1,000,000 objects, and 256 MiB. */
  most?: ListingBounds;
}

/** What one entry may want: all of it is known before the first object is fetched. */
export interface ListingBounds {
  objects: number;
  /** Of their keys and ETags. */
  bytes: number;
}

const MOST: ListingBounds = { objects: 1_000_000, bytes: 256 * 2 ** 20 };

/**
 * What `pick` makes of the objects below an entry's prefix, in the order of the store. What it makes nothing of is not kept.
 * @throws SyncError naming the entry, when it cannot be listed, or wants more than this agent has memory for
 */
export async function listPicked<Picked extends StoredObject>(
  { store, policy, signal, most = MOST }: Listing,
  entry: SyncEntry,
  pick: (object: StoredObject) => Picked | undefined,
): Promise<Picked[]> {
  const picked: Picked[] = [];
  let bytes = 0;
  let token: string | undefined;
  do {
    const page = await pageOf({ store, policy, signal }, entry, token);
    for (const object of page.objects) {
      const one = pick(object);
      if (one === undefined) continue;
      bytes += Buffer.byteLength(one.key) + Buffer.byteLength(one.etag ?? '');
      picked.push(one);
      if (picked.length > most.objects || bytes > most.bytes) throw tooMuch(entry, most);
    }
    token = page.next;
  } while (token !== undefined);
  return picked;
}

async function pageOf({ store, policy, signal }: Listing, entry: SyncEntry, token: string | undefined) {
  try {
    const list = () => store.listPage(entry.bucket, entry.prefix, token, signal);
    return await withRetries(policy, `list ${entry.name}`, signal, list);
  } catch (error) {
    signal.throwIfAborted();
    throw new SyncError(`${entry.name}: the bucket could not be listed: ${messageOf(error)}`, { cause: error });
  }
}

function tooMuch(entry: SyncEntry, { objects, bytes }: ListingBounds): SyncError {
  const expected = `expected at most ${objects} objects, with ${bytes} bytes of keys and ETags`;
  return new SyncError(
    `${entry.name}: ${expected}, and there are more; narrow the prefix or the pattern, or pack small files`,
  );
}
