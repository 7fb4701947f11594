import { once } from 'node:events';
import { createAttemptSync, type SyncInstruction } from '../../agent/sync/attempt-sync.ts';
import { createS3Store } from '../../agent/sync/s3.ts';

/** What the parent says, in one JSON argument. Credentials are in the environment, as an agent's are. */
export interface SyncTask {
  /** MIRROR watches the directory until stdin ends, and then takes its last look. */
  way: 'UP' | 'DOWN' | 'MIRROR';
  endpoint: string;
  bucket: string;
  prefix: string;
  directory: string;
  compression: boolean;
}

/** What the parent hears: one line of JSON. */
export interface SyncReport {
  /** Milliseconds that the transfer took, without the start of the process. */
  transferMs: number;
  /** Greatest resident memory of the process, bytes. */
  peakBytes: number;
  /** How late a timer of 100 ms ever was, milliseconds. */
  latestMs: number;
  cpuMs: number;
}

/** Moves the data of one attempt the way the agent does, and ends. */
if (import.meta.main) {
  // The parent has written it.
  const task = JSON.parse(process.argv[2] ?? '{}') as SyncTask;
  const lateness = watchLateness();
  const began = performance.now();
  await run(task);
  const report: SyncReport = {
    transferMs: performance.now() - began,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    latestMs: lateness(),
    cpuMs: (process.cpuUsage().user + process.cpuUsage().system) / 1000,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}

async function run({ way, endpoint, bucket, prefix, directory, compression }: SyncTask): Promise<void> {
  const place = { bucket, prefix, localPath: directory, pattern: null, patternSyntax: null };
  const instruction: SyncInstruction = { ...place, direction: way === 'DOWN' ? 'DOWNLOAD' : 'UPLOAD' };
  const only = (which: SyncTask['way']) => (way === which ? [instruction] : []);
  const quiet = { debug: () => undefined, info: () => undefined, warn: console.error, error: console.error };
  const sync = createAttemptSync({
    store: createS3Store({ endpoint, region: 'us-east-1' }),
    jobId: 'benchmark',
    plan: { before: only('DOWN'), during: only('MIRROR'), after: only('UP') },
    compression,
    settings: {
      debounceMs: 100,
      stabilityCheckMs: 50,
      maxWaitMs: 5_000,
      diskWaitMs: 60_000,
      maxRetries: 16,
      concurrency: 64,
    },
    workingDirectory: directory,
    log: quiet,
  });
  const signal = new AbortController().signal;
  await sync.prepare();
  switch (way) {
    case 'UP':
      return sync.uploadAfter(signal);
    case 'DOWN':
      return sync.download(signal);
    case 'MIRROR':
      await sync.watch();
      process.stdout.write('watching\n');
      await once(process.stdin.resume(), 'end');
      sync.commandMayHaveDied([]);
      return sync.flush(signal);
  }
}

function watchLateness(): () => number {
  const EVERY_MS = 100;
  let latest = 0;
  let due = performance.now() + EVERY_MS;
  const look = () => {
    const late = performance.now() - due;
    latest = Math.max(latest, late);
    due += EVERY_MS + Math.max(0, Math.floor(late / EVERY_MS)) * EVERY_MS;
  };
  setInterval(look, EVERY_MS).unref();
  return () => {
    look();
    return latest;
  };
}
