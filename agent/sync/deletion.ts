import { lstat } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import type { Aside } from './aside.ts';
import { addressOfId } from './entry.ts';
import type { Gate } from './gate.ts';
import type { Ledger } from './ledger.ts';
import { inParallel, type Task } from './parallel.ts';
import type { RetryPolicy } from './retry.ts';
import type { ObjectStore } from './s3.ts';

export interface Deletion {
  store: ObjectStore;
  gate: Gate;
  ledger: Ledger;
  aside: Pick<Aside, 'now' | 'steady' | 'left'>;
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
async function deleteOne(parts: Deletion, id: string, signal: AbortSignal): Promise<void> {
  const { store, gate, ledger, policy, underWay } = parts;
  const record = ledger.get(id);
  if (record === undefined || underWay.has(id) || (await exists(record.path, parts))) return;
  try {
    await gate.pass(signal, (own) => store.delete(addressOfId(id), own));
    ledger.delete(id);
    policy.log.debug({ object: id }, 'deleted');
  } catch (error) {
    signal.throwIfAborted();
    policy.log.warn({ object: id, reason: messageOf(error) }, 'an object whose file is gone could not be deleted');
  }
}

/** What the command had left counts as there: the next job's command may have removed it from where it was moved. */
async function exists(path: string, { aside }: Deletion): Promise<boolean> {
  const isThere = () =>
    lstat(aside.now(path)).then(
      () => true,
      () => false,
    );
  return aside.left.has(path) || aside.steady(isThere);
}
