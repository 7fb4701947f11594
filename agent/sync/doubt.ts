import { idOf } from './entry.ts';
import type { Ledger } from './ledger.ts';
import type { ObjectStore } from './s3.ts';
import { NO_STATE } from './scan.ts';

/**
 * Notes that a request to change the object was sent, and nobody knows what became of it: the object may have its old content,
 * the new one, or be gone. So no state of the file is the one that the bucket has, until the object is written or deleted
 * for certain.
 */
export function doubt(ledger: Ledger, id: string, path: string): void {
  const { mtimeNs, ctimeNs } = NO_STATE;
  const last = ledger.get(id)?.state ?? NO_STATE;
  // Which file the bucket had once, and how long it was, says still whether that is being written over.
  ledger.set(id, { path, state: last === NO_STATE ? last : { ...last, mtimeNs, ctimeNs } });
}

/** The store, and in `unanswered` the ids of objects that it was asked to make and has neither made nor refused. */
export function noteUnanswered(store: ObjectStore): { store: ObjectStore; unanswered: Set<string> } {
  const unanswered = new Set<string>();
  const note = async (id: string, request: Promise<string>): Promise<string> => {
    const wasKnown = unanswered.has(id);
    unanswered.add(id);
    try {
      const etag = await request;
      unanswered.delete(id);
      return etag;
    } catch (error) {
      if (!wasKnown && isRefusal(error)) unanswered.delete(id);
      throw error;
    }
  };
  return {
    unanswered,
    store: {
      ...store,
      put: (address, ...rest) => note(idOf(address), store.put(address, ...rest)),
      completeMultipart: (address, ...rest) => note(idOf(address), store.completeMultipart(address, ...rest)),
    },
  };
}

/** Whether the store said that it would not, which is certain; that it could not may be said by whoever stands before it. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error && '$metadata' in error)) return false;
  const { $metadata: answer } = error;
  const status =
    typeof answer === 'object' && answer !== null && 'httpStatusCode' in answer ? answer.httpStatusCode : 0;
  return typeof status === 'number' && status >= 400 && status < 500;
}
