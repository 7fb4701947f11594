/** Data that could not be moved after all retries. The message names the sync entry, the key or file, and the cause. */
export class SyncError extends Error {
  override name = 'SyncError';
}
