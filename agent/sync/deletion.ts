import { lstat } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import type { Aside } from './aside.ts';
import { addressOfId } from './entry.ts';
import type { Gate } from './gate.ts';
import type { Disks } from './disks.ts';
import { doubt } from './doubt.ts';
import type { Ledger } from './ledger.ts';
import { inParallel, type Task } from './parallel.ts';
import { type RetryPolicy, withRetries } from './retry.ts';
import type { ObjectStore } from './s3.ts';
import { isMissing } from './scan.ts';

export interface Deletion {
  store: ObjectStore;
  gate: Gate;
  ledger: Ledger;
  aside: Pick<Aside, 'now' | 'steady' | 'left'>;
  disks: Pick<Disks, 'looked'>;
  policy: RetryPolicy;
  concurrency: number;
  /** The ids of objects that are being written, and so are not deleted now. */
  underWay: Pick<ReadonlySet<string>, 'has'>;
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
  const { gate, ledger, policy, underWay } = parts;
  if (!ledger.has(id) || underWay.has(id)) return;
  try {
    await gate.pass(signal, (own) => withRetries(policy, `delete ${id}`, own, () => tryOnce(parts, id, own)));
  } catch (error) {
    signal.throwIfAborted();
    policy.log.warn({ object: id, reason: messageOf(error) }, 'an object whose file is gone could not be deleted');
  }
}

/** Looks each time: while the gate was closed, or the store did not answer, the file may have come back. */
async function tryOnce(parts: Deletion, id: string, signal: AbortSignal): Promise<void> {
  const { store, ledger, policy } = parts;
  const record = ledger.get(id);
  if (record === undefined || (await exists(record.path, parts))) return;
  doubt(ledger, id, record.path);
  await store.delete(addressOfId(id), signal);
  ledger.delete(id);
  policy.log.debug({ object: id }, 'deleted');
}

/**
 * A file that cannot be looked at is not a file that is gone. What the command had left counts as there: the next job's command
 * may have removed it from where it was moved.
 */
async function exists(path: string, { aside, disks }: Deletion): Promise<boolean> {
  const isThere = () =>
    lstat(aside.now(path)).then(
      () => true,
      (error: unknown) => !isMissing(error),
    );
  return aside.left.has(path) || aside.steady(() => disks.looked(isThere(), path));
}
