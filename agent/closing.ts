import type { Logger } from 'pino';
import type { ProgressFile } from './progress.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';

/** Nothing is written to storage after this. Never rejects. */
export async function stopSync(sync: AttemptSync, log: Logger): Promise<void> {
  await sync.stop().catch((err: unknown) => log.warn({ err }, 'The sync did not stop cleanly'));
}

/** Nothing of one job may meet the next; a file that resists is worth a warning, not the agent's end. */
export async function purge({ sync, progress, log }: Closing): Promise<void> {
  const results = await Promise.allSettled([sync.purge(), progress.remove()]);
  for (const result of results) {
    if (result.status === 'rejected') log.warn({ err: result.reason as unknown }, 'Not everything could be purged');
  }
}

interface Closing {
  sync: AttemptSync;
  progress: Pick<ProgressFile, 'remove'>;
  log: Logger;
}
