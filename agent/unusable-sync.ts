import type { AttemptSync } from './sync/attempt-sync.ts';
import { SyncError } from './sync/errors.ts';

/** In place of a sync whose instructions cannot be used: moves nothing, and ends its attempt in the first step. */
export function unusableSync(why: string): AttemptSync {
  const nothing = async () => undefined;
  const counts = { bytesDownloaded: 0, bytesUploaded: 0, filesDownloaded: 0, filesUploaded: 0 };
  return {
    prepare: () => Promise.reject(new SyncError(`The sync instructions of the job cannot be used: ${why}`)),
    download: nothing,
    watch: nothing,
    commandMayHaveDied: () => undefined,
    flush: nothing,
    makeWay: async () => true,
    uploadAfter: nothing,
    suspend: nothing,
    resume: () => undefined,
    diskSilent: new AbortController().signal,
    stop: nothing,
    purge: nothing,
    counts: () => counts,
    state: () => ({
      ...{ counts, transfer: undefined, lagSeconds: null, warning: undefined },
      checkpoints: { files: 0, bytes: 0, newestKeys: [] },
    }),
    onNews: () => undefined,
  };
}
