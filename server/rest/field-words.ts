import type { z } from '@hono/zod-openapi';

/** A field with what it means, and with its default where there is one besides null. */
export function said<Field extends z.ZodType>(field: Field, description: string, otherwise?: unknown): Field {
  // One that was made before the library of the document was loaded does not have its method; a copy has.
  const describable = 'openapi' in (field as object) ? field : field.clone();
  return describable.openapi({ description, ...(otherwise !== undefined && { default: otherwise }) });
}

/** What the fields of a job mean, in the document of the API: the same for what is submitted and for what is shown. */
export const jobWords = {
  name: 'For people; need not be unique',
  command: 'The program: looked up in the PATH of the container, or a path; no shell reads it',
  arguments: 'Given to the command as they are, one by one',
  environment: 'Variables of the command, over those of the container',
  containerGroupId: 'The queue: machines of this container group get the job',
  webhook: 'Told when the job runs, has completed or failed: an http or https URL',
  priority: 'Of the jobs of a container group the highest comes first, then the oldest',
  labels: 'For finding jobs: names with values',
  sync: 'What is moved between storage and the machine, and when',
  before: 'Downloaded before the command starts. If anything is missing it does not start, and the job is tried again',
  during: 'Uploaded as it changes while the command runs, deletions included: checkpoints',
  after: 'Uploaded when the command has ended with 0; the job is completed when all of it is in storage',
  compression: 'Whether objects are gzip, as `<key>.gz`; undone when they are downloaded',
  heartbeatInterval:
    'Seconds between two signs of life of who works on it; after twice as long without one another machine gets the job',
  timeoutSeconds: 'Seconds after which an attempt is ended, which counts as a failure; null for no limit',
  stallTimeoutSeconds:
    'Seconds without output, progress or a published file after which an attempt is ended, which counts as a failure; null for no limit',
  maxFailures:
    'After so many failures of the command the job has failed. A machine on which it failed does not get it again',
  maxInterruptions: 'After so many attempts that were lost or given back the job has failed; null for any number',
} as const;

/** Of one entry of a job's `sync`. */
export const syncWords = {
  bucket: 'Of the storage that the machines are set up for',
  prefix:
    'What the keys of the objects begin with, up to a `/`, which is added where it is missing; empty for the whole bucket',
  localPath:
    'The directory on the machine; a relative one is below the working directory of the agent. It is made, and emptied afterwards',
  direction: '`download` in `before`, `upload` in `during` and `after`',
  pattern:
    'Which files: a glob, of the whole path below `local_path` where it has a `/`, else of the file’s name; or a regular expression (RE2), searched in that path. All files without one',
  patternSyntax:
    'How `pattern` is read. Without it, one with any of `^ $ \\ ( ) | +`, or with `.*` or `.+`, is a regular expression, any other a glob',
} as const;

/** Of the older form of three buckets, in place of `sync`. */
export const olderWords = {
  inputBucket: 'Older form: the bucket that is downloaded to INPUT_DIR (/input) before the command starts',
  inputPrefix: 'Older form: the prefix in that bucket',
  checkpointBucket:
    'Older form: the bucket that is downloaded to CHECKPOINT_DIR (/checkpoint), and follows it while the command runs',
  checkpointPrefix: 'Older form: the prefix in that bucket',
  outputBucket:
    'Older form: the bucket that OUTPUT_DIR (/output) is uploaded to while the command runs and when it has ended with 0',
  outputPrefix: 'Older form: the prefix in that bucket',
} as const;

/** Of a scaling rule. */
export const ruleWords = {
  containerGroupId: 'The container group; it has at most one rule',
  minReplicas: 'Never fewer replicas than these; 0 lets the group be stopped',
  maxReplicas: 'Never more replicas than these',
  idleThresholdSeconds: 'For so many seconds a job that has ended goes on to count, which keeps its machine warm',
} as const;

/** Whose a thing is, and when it was made or changed. */
export const accountWords = {
  userId: 'The account that it is of',
  created: 'When it was made',
  updated: 'When it was last changed',
} as const;
