import type { Logger } from 'pino';
import { whenAborted } from '../lib/pause.ts';
import type { AgentConfig } from './config.ts';
import type { ProgressFile } from './progress.ts';
import { graceAfter, type Shutdown } from './shutdown.ts';
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

/** Steps end by themselves when their time is over; this much later something holds one up. */
const OVERDUE_MS = 3000;

/** Aborted when an agent that was told to stop by a signal waits for no step of an attempt any more; not once `over` is aborted. */
export function lastCallOf(
  shutdown: Pick<Shutdown, 'signaled'>,
  { shutdownGraceMs, uploadGraceMs }: Pick<AgentConfig, 'shutdownGraceMs' | 'uploadGraceMs'>,
  over: AbortSignal,
): AbortSignal {
  return graceAfter(shutdown, shutdownGraceMs + uploadGraceMs + OVERDUE_MS, over);
}

/** What an agent leaves to the next one, which empties what it finds of a job that is not its own, takes it this long from when it is told to stop. */
const LEFT_AFTER_MS = 3000;

/** Waits for `work`, but of an agent that was told to stop by a signal, some seconds at most: a disk may not answer. */
export async function unlessLeaving(shutdown: Pick<Shutdown, 'signaled'>, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  const late = whenAborted(graceAfter(shutdown, LEFT_AFTER_MS, over.signal), over.signal);
  await Promise.race([work, late]).finally(() => over.abort());
}

interface Closing {
  sync: AttemptSync;
  progress: Pick<ProgressFile, 'remove'>;
  log: Logger;
}
