/** Data that could not be moved after all retries. The message names the sync entry, the key or file, and the cause. */
export class SyncError extends Error {
  override name = 'SyncError';
}

/** A disk has answered nothing for so long that it was given up. */
export class DiskSilent extends SyncError {
  override name = 'DiskSilent';
}

/** Its disk, its memory, its files: what another machine has of its own. */
const OF_MACHINE = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'ENOMEM', 'EMFILE', 'ENFILE']);

/** Whether an error, or what caused it, speaks of this machine, where another one might do better. */
export function isOfMachine(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof DiskSilent) return true;
  return ('code' in error && OF_MACHINE.has(String(error.code))) || isOfMachine(error.cause);
}
