import { messageOf } from '../../lib/errors.ts';
import { addressOfId, idOf, type SyncEntry } from './entry.ts';
import { SyncError } from './errors.ts';
import { isSameEtag, looksComparable } from './etag.ts';
import type { Ledger } from './ledger.ts';
import { inParallel, type Task } from './parallel.ts';
import { isRefusal } from './refusal.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { ObjectStore, StoredObject } from './s3.ts';

export interface Confirmation {
  store: Pick<ObjectStore, 'listPage' | 'head'>;
  policy: RetryPolicy;
  /** All that publish; each object is below the prefix of one. */
  entries: readonly SyncEntry[];
  ledger: Ledger;
  concurrency: number;
  /** Publishes again what the ledger has no record of. */
  again: (signal: AbortSignal) => Promise<void>;
}

/** So often is published again what the store has acknowledged and yet does not have. */
const TRIES_AGAIN = 3;

/**
 * Looks whether the store has what it has acknowledged to this attempt (rule 9): each object, of the acknowledged size and
 * ETag. What it has not is published again. Throws SyncError when that does not help or its file is gone, or when the store could not
 * be asked. A key that may write but not look is taken at its word.
 */
export async function confirmPublished(parts: Confirmation, signal: AbortSignal): Promise<void> {
  const { ledger, policy } = parts;
  let open = [...ledger.keys()];
  for (let tries = 0; ; tries++) {
    open = await missingAmong(parts, open, signal);
    if (open.length === 0) return;
    if (tries === TRIES_AGAIN) throw new SyncError(neverThere(open));
    policy.log.warn(
      { objects: open.slice(0, OBJECTS_SHOWN), count: open.length },
      'the store does not have what it has acknowledged; it is published again',
    );
    const paths = open.map((id) => ({ id, path: ledger.get(id)?.path ?? id }));
    for (const id of open) ledger.delete(id);
    await parts.again(signal);
    const gone = paths.find(({ id }) => !ledger.has(id));
    if (gone !== undefined) throw new SyncError(lostForGood(gone));
  }
}

const OBJECTS_SHOWN = 3;

function neverThere(ids: readonly string[]): string {
  const rest = ids.length > OBJECTS_SHOWN ? ` and ${ids.length - OBJECTS_SHOWN} more` : '';
  const shown = ids.slice(0, OBJECTS_SHOWN).join(', ');
  const advice = 'check the store, and that no other program writes there';
  return `the store acknowledged ${shown}${rest} ${TRIES_AGAIN + 1} times, and has it not as it was sent: ${advice}`;
}

function lostForGood({ id, path }: { id: string; path: string }): string {
  const advice = 'check the store, and that nothing removes files after the command has ended';
  return `the store acknowledged ${id} and has it not, and ${path} is gone, so it cannot be sent again: ${advice}`;
}

type Sent = NonNullable<ReturnType<Ledger['get']>>['sent'];

async function missingAmong(parts: Confirmation, ids: readonly string[], signal: AbortSignal): Promise<string[]> {
  const missing: string[] = [];
  const open = new Map(ids.map((id): [string, Sent] => [id, parts.ledger.get(id)?.sent]));
  for (const entry of parts.entries) {
    const begin = idOf({ bucket: entry.bucket, key: entry.prefix });
    const own = [...open].filter(([id, sent]) => sent !== undefined && id.startsWith(begin));
    for (const [id] of own) open.delete(id);
    const doubtful = await notListed(parts, entry, new Map(own), signal);
    missing.push(...(await notThere(parts, entry, doubtful, signal)));
  }
  return missing;
}

/** Without those that a listing shows as they were sent. A page lists 1,000 objects, but most may be of others. */
async function notListed(
  { store, policy }: Confirmation,
  entry: SyncEntry,
  open: Map<string, Sent>,
  signal: AbortSignal,
): Promise<Map<string, Sent>> {
  let token: string | undefined;
  // One object is asked for at less cost than a page.
  for (let pages = 0; open.size > 1 && pages <= open.size; pages++) {
    const list = () => store.listPage(entry.bucket, entry.prefix, token, signal).catch(refused);
    const page = await asked(withRetries(policy, `list ${entry.name}`, signal, list), entry.name, signal);
    if (page === 'REFUSED') break;
    for (const object of page.objects) {
      const id = idOf({ bucket: entry.bucket, key: object.key });
      if (isAsSent(open.get(id), object)) open.delete(id);
    }
    token = page.next;
    if (token === undefined) break;
  }
  return open;
}

/** The listing of some stores lags behind, so it is the object itself that counts. */
async function notThere(
  parts: Confirmation,
  { compression }: SyncEntry,
  open: Map<string, Sent>,
  signal: AbortSignal,
): Promise<string[]> {
  const { store, policy } = parts;
  const tasks = [...open].map(([id, sent]): Task<string | undefined> => async (own) => {
    const look = () => found(store, { id, sent, compression }, own).catch(refused);
    const object = await asked(withRetries(policy, `look up ${id}`, own, look), id, own);
    if (object !== 'REFUSED') return isAsSent(sent, object) ? undefined : id;
    policy.log.debug({ object: id }, 'this key may not look whether the store has what it acknowledged');
    return undefined;
  });
  const missing = await inParallel(tasks, parts.concurrency, signal);
  return missing.filter((id) => id !== undefined);
}

/** Of what they would expand on its way some stores give no length, and another ETag; their listing tells what they have. */
async function found(
  store: Confirmation['store'],
  { id, sent, compression }: { id: string; sent: Sent; compression: boolean },
  signal: AbortSignal,
): Promise<Pick<StoredObject, 'size' | 'etag'> | undefined> {
  const { bucket, key } = addressOfId(id);
  const page = compression ? await store.listPage(bucket, key, undefined, signal) : undefined;
  const listed = page?.objects.find((object) => object.key === key);
  return isAsSent(sent, listed) ? listed : store.head({ bucket, key }, signal);
}

async function asked<T>(answer: Promise<T>, what: string, signal: AbortSignal): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    signal.throwIfAborted();
    const why = messageOf(error);
    throw new SyncError(`${what}: the store could not be asked whether it has what it acknowledged: ${why}`, {
      cause: error,
    });
  }
}

function refused(error: unknown): 'REFUSED' {
  if (!isRefusal(error)) throw error;
  return 'REFUSED';
}

/** A store that makes ETags of one kind when it acknowledges and of another when it lists says nothing by them. */
function isAsSent(sent: Sent, object: Pick<StoredObject, 'size' | 'etag'> | undefined): boolean {
  if (sent === undefined || object?.size !== sent.size) return false;
  const { etag } = object;
  return etag === undefined || isSameEtag(etag, sent.etag) || !looksComparable(etag, sent.etag);
}
