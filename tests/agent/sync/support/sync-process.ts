import { z } from 'zod';
import { createAttemptSync } from '../../../../agent/sync/attempt-sync.ts';
import type { Logger } from '../../../../agent/sync/logger.ts';
import { createS3Store } from '../../../../agent/sync/s3.ts';

/** What the test says when it forks this program: in one JSON argument. */
export interface SyncOrder {
  endpoint: string;
  bucket: string;
  prefix: string;
  /** The directory whose `ckpt` is synced. */
  directory: string;
  /** What to do after the local paths are made: `download` alone, or all that an agent does until its command has ended. */
  until: 'download' | 'flush';
}

const Order = z.object({
  endpoint: z.string(),
  bucket: z.string(),
  prefix: z.string(),
  directory: z.string(),
  until: z.enum(['download', 'flush']),
});

if (import.meta.main) {
  const { endpoint, bucket, prefix, directory, until } = Order.parse(JSON.parse(process.argv[2] ?? '{}'));
  // The test is gone.
  process.once('disconnect', () => process.exit(1));
  const place = { bucket, prefix, localPath: 'ckpt', pattern: null, patternSyntax: null };
  const sync = createAttemptSync({
    store: createS3Store({ endpoint, region: 'us-east-1' }),
    jobId: 'a-job',
    plan: {
      before: [{ ...place, direction: 'DOWNLOAD' }],
      during: [{ ...place, direction: 'UPLOAD' }],
      after: [],
    },
    compression: false,
    settings: {
      debounceMs: 10,
      stabilityCheckMs: 20,
      maxWaitMs: 300,
      diskWaitMs: 60_000,
      maxRetries: 1,
      concurrency: 8,
    },
    workingDirectory: directory,
    log: silent(),
  });
  const never = new AbortController().signal;
  await sync.prepare();
  await sync.download(never);
  if (until === 'flush') {
    // The test is the command: what it has changed when it answers is what the last look is about.
    const answered = new Promise((resolve) => process.once('message', resolve));
    process.send?.('downloaded');
    await answered;
    await sync.flush(never);
  }
  process.send?.('done');
  await sync.stop();
  process.exit(0);
}

function silent(): Logger {
  const ignore = () => undefined;
  return { debug: ignore, info: ignore, warn: ignore, error: ignore };
}
