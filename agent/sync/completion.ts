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

/** Somebody has discarded the upload. */
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
 * Where the answer is lost, the next try is told that there is no such upload, or that something else is there: then the object itself says
 * whether it was made of these parts.
 */
export function complete(parts: CompletionParts, gathered: Gathered): Promise<string> {
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
      if (!isGone && (before === undefined || !isAnother(error))) throw error;
      const object = await store.head(address, signal);
      if (object?.size === bytes && isSameEtag(object.etag, etagOfParts(etags))) return object.etag;
      if (isGone) throw vanished(error);
      const now = object?.etag ?? null;
      // A store that goes by another ETag than it shows is asked without.
      before = now === before || ++looks === LOOKS ? undefined : now;
      return tryOnce();
    }
  };
  return withRetries(policy, `finish ${address.key}`, signal, tryOnce);
}

/** Whether something else is there than was expected, or nothing. */
function isAnother(error: unknown): boolean {
  return statusOf(error) === 412 || isNamed(error, 'NoSuchKey');
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}

function vanished(cause: unknown): UploadVanished {
  return new UploadVanished('the store has forgotten the upload, and there is no object of its parts', { cause });
}
