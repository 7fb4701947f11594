import { lstat } from 'node:fs/promises';
import type { Aside } from './aside.ts';
import { addressOf, idOf, relativePathAt, type SyncEntry } from './entry.ts';
import { SyncError } from './errors.ts';
import type { Ledger } from './ledger.ts';
import { looksSame } from './scan.ts';
import type { Asking } from './silence.ts';

/**
 * Throws SyncError when a file that was moved aside is gone from there before it was published: then somebody else, most
 * likely the next job's command, has removed what this job had left. Throws the reason of the signal of `asking`.
 */
export async function demandNothingVanished(
  entries: readonly SyncEntry[],
  { left, now, asking }: Pick<Aside, 'left' | 'now' | 'asking'>,
  ledger: Ledger,
): Promise<void> {
  for (const [path, state] of left) {
    for (const entry of entries) {
      const relativePath = relativePathAt(entry, path);
      if (relativePath === undefined || !entry.matches(relativePath)) continue;
      const record = ledger.get(idOf(addressOf(entry, relativePath)));
      const isSettled = record !== undefined && (record.path !== path || looksSame(record.state, state));
      if (isSettled || (record !== undefined && (await isThere(now(path), asking)))) continue;
      const where = `${path} was removed from ${now(path)} before it was uploaded`;
      throw new SyncError(`${entry.name}: ${where}; keep the commands of other jobs from touching it`);
    }
  }
}

async function isThere(path: string, asking: Asking): Promise<boolean> {
  asking.ask(path);
  return lstat(path).then(
    () => true,
    () => false,
  );
}
