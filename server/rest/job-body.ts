import { z } from '@hono/zod-openapi';
import { jobFields, MAX_SYNC_ENTRIES, syncFields } from '../../core/jobs/fields.ts';
import { batchOf, jobSpecWithoutPatterns, withPatterns } from '../../core/jobs/spec.ts';
import { listOf } from '../../lib/few-faults.ts';
import { exampleSubmission } from './examples.ts';
import { jobWords, olderWords, said, syncWords } from './field-words.ts';

const syncEntry = z
  .strictObject({
    bucket: said(syncFields.bucket, syncWords.bucket),
    prefix: said(syncFields.prefix, syncWords.prefix),
    local_path: said(syncFields.localPath, syncWords.localPath),
    direction: said(z.enum(['download', 'upload']), syncWords.direction),
    pattern: said(syncFields.pattern.nullish(), syncWords.pattern),
    pattern_syntax: said(z.enum(['glob', 'regex']).nullish(), syncWords.patternSyntax),
  })
  .openapi('SyncEntrySubmission');

const syncEntries = listOf(syncEntry).max(MAX_SYNC_ENTRIES, { error: `Expected at most ${MAX_SYNC_ENTRIES} entries` });

const sync = z.strictObject({
  before: said(syncEntries.nullish(), jobWords.before),
  during: said(syncEntries.nullish(), jobWords.during),
  after: said(syncEntries.nullish(), jobWords.after),
});

const submission = z
  .strictObject({
    command: said(jobFields.command, jobWords.command),
    container_group_id: said(jobFields.containerGroupId, jobWords.containerGroupId),
    arguments: said(jobFields.arguments.nullish(), jobWords.arguments),
    environment: said(jobFields.environment.nullish(), jobWords.environment),
    webhook: said(jobFields.webhook.nullish(), jobWords.webhook),
    sync: said(sync.nullish(), jobWords.sync),
    compression: said(jobFields.compression.nullish(), jobWords.compression, false),
    max_failures: said(jobFields.maxFailures.nullish(), jobWords.maxFailures, 3),
    max_interruptions: said(jobFields.maxInterruptions.nullish(), jobWords.maxInterruptions),
    heartbeat_interval: said(jobFields.heartbeatInterval.nullish(), jobWords.heartbeatInterval, 30),
    timeout_seconds: said(jobFields.timeoutSeconds.nullish(), jobWords.timeoutSeconds),
    stall_timeout_seconds: said(jobFields.stallTimeoutSeconds.nullish(), jobWords.stallTimeoutSeconds),
    name: said(jobFields.name.nullish(), jobWords.name),
    priority: said(jobFields.priority.nullish(), jobWords.priority, 0),
    labels: said(jobFields.labels.nullish(), jobWords.labels),
    input_bucket: said(syncFields.bucket.nullish(), olderWords.inputBucket),
    input_prefix: said(syncFields.prefix.nullish(), olderWords.inputPrefix),
    checkpoint_bucket: said(syncFields.bucket.nullish(), olderWords.checkpointBucket),
    checkpoint_prefix: said(syncFields.prefix.nullish(), olderWords.checkpointPrefix),
    output_bucket: said(syncFields.bucket.nullish(), olderWords.outputBucket),
    output_prefix: said(syncFields.prefix.nullish(), olderWords.outputPrefix),
  })
  .superRefine((body, context) => {
    if (!hasOlderFields(body)) return;
    for (const field of olderFields.filter((field) => !isGiven(body[field]))) {
      const message = `Expected all six of ${olderFields.join(', ')}, or none of them: this one is missing`;
      context.addIssue({ code: 'custom', path: [field], message });
    }
  });
type Submission = z.output<typeof submission>;

/**
 * A job as REST submits it. What it means is settled by the core's own schema, after the names are translated. The page that
 * tries the API is given an example: it would fill in every field, of both forms of sync.
 */
const oneJob = submission
  .transform(toSpec)
  .pipe(jobSpecWithoutPatterns)
  .openapi('JobSubmission', { example: exampleSubmission });

export const jobBody = withPatterns(oneJob);
export const jobsBody = batchOf(oneJob);

function toSpec(body: Submission): z.input<typeof jobSpecWithoutPatterns> {
  return {
    name: body.name,
    command: body.command,
    arguments: body.arguments,
    environment: body.environment,
    containerGroupId: body.container_group_id,
    sync: body.sync && {
      before: body.sync.before?.map(toSyncEntry),
      during: body.sync.during?.map(toSyncEntry),
      after: body.sync.after?.map(toSyncEntry),
    },
    legacySync: isOlderForm(body) ? toLegacySync(body) : null,
    compression: body.compression,
    webhook: body.webhook,
    priority: body.priority,
    labels: body.labels,
    maxFailures: body.max_failures,
    maxInterruptions: body.max_interruptions,
    timeoutSeconds: body.timeout_seconds,
    stallTimeoutSeconds: body.stall_timeout_seconds,
    heartbeatInterval: body.heartbeat_interval,
  };
}

function toSyncEntry(entry: z.output<typeof syncEntry>) {
  return {
    bucket: entry.bucket,
    prefix: entry.prefix,
    localPath: entry.local_path,
    direction: directions[entry.direction],
    pattern: entry.pattern,
    patternSyntax: entry.pattern_syntax && syntaxes[entry.pattern_syntax],
  };
}

const directions = { download: 'DOWNLOAD', upload: 'UPLOAD' } as const;
const syntaxes = { glob: 'GLOB', regex: 'REGEX' } as const;

const olderFields = [
  'input_bucket',
  'input_prefix',
  'checkpoint_bucket',
  'checkpoint_prefix',
  'output_bucket',
  'output_prefix',
] as const;
type OlderForm = Record<(typeof olderFields)[number], string>;

function isGiven(value: string | null | undefined): value is string {
  return typeof value === 'string';
}

function hasOlderFields(body: Submission): boolean {
  return olderFields.some((field) => isGiven(body[field]));
}

function isOlderForm(body: Submission): body is Submission & OlderForm {
  return olderFields.every((field) => isGiven(body[field]));
}

function toLegacySync(body: OlderForm) {
  return {
    inputBucket: body.input_bucket,
    inputPrefix: body.input_prefix,
    checkpointBucket: body.checkpoint_bucket,
    checkpointPrefix: body.checkpoint_prefix,
    outputBucket: body.output_bucket,
    outputPrefix: body.output_prefix,
  };
}
