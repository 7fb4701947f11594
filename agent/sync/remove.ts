import { lstat, readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Asking } from './silence.ts';

const AS_WHOLE = { recursive: true, force: true, maxRetries: 2 };

/**
 * Removes a directory with all that is in it, or a file, or a link and not what it leads to, as `rm` does, which cannot be ended: this ends
 * between two entries once the signal of `asking` is aborted, and rejects with its reason. What resists keeps nothing else; rejects then with the first fault.
 * @param last the path of what goes when all else has gone, as it says what this is
 */
export async function removeTree(path: string, asking: Asking, last?: string): Promise<void> {
  asking.ask(path);
  const faults: unknown[] = [];
  for (const entry of await entriesOf(path)) {
    const inner = join(path, entry.name);
    asking.ask(inner);
    if (inner === last) continue;
    const removed = entry.isDirectory() ? removeTree(inner, asking) : unlink(inner).catch(() => rm(inner, AS_WHOLE));
    await removed.catch((error: unknown) => faults.push(error));
  }
  asking.ask(path);
  if (faults.length > 0) throw faults[0];
  await rm(path, AS_WHOLE);
}

/** None of what is no directory, or cannot be read: what is wrong with that `rm` tells. */
async function entriesOf(path: string) {
  const stats = await lstat(path).catch(() => undefined);
  return stats?.isDirectory() === true ? readdir(path, { withFileTypes: true }).catch(() => []) : [];
}
