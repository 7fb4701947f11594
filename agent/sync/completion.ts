import { statusOf } from './cause.ts';
import type { Address } from './entry.ts';
import { etagOfParts, isSameEtag } from './etag.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { ObjectStore } from './s3.ts';

export interface CompletionParts {
  store: Pick<ObjectStore, 'completeMultipart' | 'head'>;
  policy: RetryPolicy;
  address: Address;
  signal: AbortSignal;
}

/** What is at an address: the object's ETag, null where there is none. */
export type Present = string | null;

/** What is there now; undefined where nobody can tell, or this key may not look. Never rejects. */
export async function presentAt({
  store,
  address,
  signal,
}: Omit<CompletionParts, 'policy'>): Promise<Present | undefined> {
  return store.head(address, signal).then(
    (object) => object?.etag ?? null,
    () => undefined,
  );
}

/** The parts of an upload that are to become the object. */
export interface Gathered {
  uploadId: string;
  etags: readonly string[];
  bytes: number;
  /** What was there when the upload was begun. */
  before: Present | undefined;
}

/** Somebody has discarded the upload, or another write to the object keeps it from being completed. */
export class UploadVanished extends Error {
  override name = 'UploadVanished';
}

/** So often is looked again what is there in place of what was expected. */
const LOOKS = 3;

/**
 * Makes the object of its parts, in place of what was there before, and of nothing else: some stores copy the parts together for minutes, also
 * when nobody waits for the answer any more, and can be stopped by nobody. If the lease is lost meanwhile, a successor may have published, and
 * what it has published stays. Where something else is there while the lease holds, that is replaced. Resolves to the ETag.
 *
 * Where the answer is lost, the next try is told that there is no such upload, that something else is there, or, while the store is still at
 * it, that another write is: then the object itself says whether it was made of these parts. Another write may take minutes, so its end is
 * waited for as long as the policy has it. Rejects with UploadVanished where the parts have to be sent once more.
 */
export async function complete(parts: CompletionParts, gathered: Gathered): Promise<string> {
  const { store, policy, address, signal } = parts;
  const { uploadId, etags, bytes } = gathered;
  let { before } = gathered;
  let looks = 0;
  const tryOnce = async (): Promise<string> => {
    try {
      return await store.completeMultipart(
        address,
        { uploadId, etags, ...(before === undefined ? {} : { before }) },
        signal,
      );
    } catch (error) {
      const isGone = isNamed(error, 'NoSuchUpload');
      if (!isGone && (before === undefined || !(isAnother(error) || isConflict(error)))) throw error;
      const object = await store.head(address, signal);
      if (object?.size === bytes && isSameEtag(object.etag, etagOfParts(etags))) return object.etag;
      if (isGone) throw vanished('the store has forgotten the upload, and there is no object of its parts', error);
      const now = object?.etag ?? null;
      if (isConflict(error)) {
        before = now;
        throw error;
      }
      // A store that goes by another ETag than it shows is asked without.
      before = now === before || ++looks === LOOKS ? undefined : now;
      return tryOnce();
    }
  };
  return withRetries(policy, `finish ${address.key}`, signal, tryOnce).catch((error: unknown) => {
    throw isConflict(error) ? vanished('other writes to the object kept it from being completed', error) : error;
  });
}

/** Whether something else is there than was expected, or nothing. An answer that began as a success has no status of its own. */
function isAnother(error: unknown): boolean {
  return statusOf(error) === 412 || isNamed(error, 'PreconditionFailed') || isNamed(error, 'NoSuchKey');
}

/** Whether the store is at another write to the object, which may be a completion of this upload whose answer was lost. */
function isConflict(error: unknown): boolean {
  return statusOf(error) === 409 || isNamed(error, 'ConditionalRequestConflict');
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}

function vanished(why: string, cause: unknown): UploadVanished {
  return new UploadVanished(why, { cause });
}
