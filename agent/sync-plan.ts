import type { ClaimedJobFragment } from './generated/graphql.ts';
import type { SyncPlan } from './sync/attempt-sync.ts';

/** Where the older form of sync has its three fixed places. */
export interface LegacyDirectories {
  input: string;
  checkpoint: string;
  output: string;
}

/** What a job wants moved, and when; the older form of three buckets is said in the words of the newer one. */
export function syncPlanOf(job: Pick<ClaimedJobFragment, 'sync' | 'legacySync'>, places: LegacyDirectories): SyncPlan {
  if (job.sync !== null) return job.sync;
  if (job.legacySync !== null) return planOfThreeBuckets(job.legacySync, places);
  return { before: [], during: [], after: [] };
}

function planOfThreeBuckets(
  buckets: NonNullable<ClaimedJobFragment['legacySync']>,
  places: LegacyDirectories,
): SyncPlan {
  const everything = { pattern: null, patternSyntax: null };
  const input = { bucket: buckets.inputBucket, prefix: buckets.inputPrefix, localPath: places.input, ...everything };
  const checkpoint = {
    bucket: buckets.checkpointBucket,
    prefix: buckets.checkpointPrefix,
    localPath: places.checkpoint,
    ...everything,
  };
  const output = {
    bucket: buckets.outputBucket,
    prefix: buckets.outputPrefix,
    localPath: places.output,
    ...everything,
  };
  return {
    before: [
      { ...input, direction: 'DOWNLOAD' },
      { ...checkpoint, direction: 'DOWNLOAD' },
    ],
    during: [
      { ...checkpoint, direction: 'UPLOAD' },
      { ...output, direction: 'UPLOAD' },
    ],
    after: [{ ...output, direction: 'UPLOAD' }],
  };
}
