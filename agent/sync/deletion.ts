import { lstat } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import type { Gate } from './gate.ts';
import type { Ledger } from './ledger.ts';
import { inParallel, type Task } from './parallel.ts';
import type { RetryPolicy } from './retry.ts';
import type { ObjectStore } from './s3.ts';

export interface Deletion {
  store: ObjectStore;
  gate: Gate;
  ledger: Ledger;
  policy: RetryPolicy;
  concurrency: number;
  /** The ids of objects that are being written, and so are not deleted now. */
  underWay: ReadonlySet<string>;
}

/** Deletes the objects whose file is not there, and takes them from the ledger. Rejects only when aborted. */
export async function deleteAll(parts: Deletion, ids: readonly string[], signal: AbortSignal): Promise<void> {
  const tasks = ids.map(
    (id): Task<void> =>
      (aborted) =>
        deleteOne(parts, id, aborted),
  );
  await inParallel(tasks, parts.concurrency, signal);
}

/** A deletion that fails costs storage, not data: it is only told. */
async function deleteOne(
  { store, gate, ledger, policy, underWay }: Deletion,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const record = ledger.get(id);
  if (record === undefined || underWay.has(id) || (await exists(record.path))) return;
  const bucket = id.slice(0, id.indexOf('/'));
  const key = id.slice(bucket.length + 1);
  try {
    await gate.pass(signal, (own) => store.delete({ bucket, key }, own));
    ledger.delete(id);
    policy.log.debug({ object: id }, 'deleted');
  } catch (error) {
    signal.throwIfAborted();
    policy.log.warn({ object: id, reason: messageOf(error) }, 'an object whose file is gone could not be deleted');
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
