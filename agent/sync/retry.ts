import { type Backoff, backoffMillis } from '../../lib/backoff.ts';
import { messageOf } from '../../lib/errors.ts';
import { pause } from '../../lib/pause.ts';
import type { Logger } from './logger.ts';

export interface RetryPolicy {
  /** Tries after the first one. */
  maxRetries: number;
  log: Logger;
  /** Is told of each failure that is tried again. */
  onRetry?: (error: unknown) => void;
}

const WAITS: Backoff = { baseMs: 500, capMs: 10_000 };

/** As many tries bridge an outage of one minute even when chance makes every wait as short as it can be. */
export const DEFAULT_RETRIES = 16;

/** Tries again, with jittered waits, what may succeed next time. Rejects with the last error, or when `signal` aborts. */
export async function withRetries<T>(
  policy: RetryPolicy,
  what: string,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      await waitToRetry(policy, what, signal, { error, failures });
    }
  }
}

/** Waits before the next try after `failures` failures and this `error`; throws it when trying again is of no use. */
export async function waitToRetry(
  policy: RetryPolicy,
  what: string,
  signal: AbortSignal,
  { error, failures }: { error: unknown; failures: number },
): Promise<void> {
  signal.throwIfAborted();
  if (failures >= policy.maxRetries || isPermanent(error)) throw error;
  policy.onRetry?.(error);
  policy.log.debug({ what, failures: failures + 1, reason: messageOf(error) }, 'storage request failed, trying again');
  await pause(backoffMillis(failures, WAITS), signal);
  signal.throwIfAborted();
}

/** Faults that the next try would meet again: the request itself is wrong, or the local disk says no. */
const PERMANENT = new Set([
  ...['NoSuchBucket', 'AccessDenied', 'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'CredentialsProviderError'],
  ...[
    'InvalidBucketName',
    'UnsupportedBucket',
    'KeyTooLongError',
    'EntityTooLarge',
    'FileShrank',
    'UploadVanished',
    'NoSuchUpload',
    'NoSuchKey',
    'PreconditionFailed',
    'GaveUp',
  ],
  ...['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENAMETOOLONG', 'EIO'],
]);

function isPermanent(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return PERMANENT.has(error.name) || ('code' in error && typeof error.code === 'string' && PERMANENT.has(error.code));
}

/** Retried enough: whoever catches it must not start over. */
export class GaveUp extends Error {
  override name = 'GaveUp';
}
