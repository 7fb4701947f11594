import { z } from '@hono/zod-openapi';
import { jobFields, MAX_BATCH, MAX_SYNC_ENTRIES, syncFields } from '../../core/jobs/fields.ts';
import { jobSpecSchema } from '../../core/jobs/spec.ts';
import { exampleSubmission } from './examples.ts';

const syncEntry = z
  .strictObject({
    bucket: syncFields.bucket,
    prefix: syncFields.prefix,
    local_path: syncFields.localPath,
    direction: z.enum(['download', 'upload']),
    pattern: syncFields.pattern.nullish(),
    pattern_syntax: z.enum(['glob', 'regex']).nullish(),
  })
  .openapi('SyncEntrySubmission');

const syncEntries = z.array(syncEntry).max(MAX_SYNC_ENTRIES, { error: `Expected at most ${MAX_SYNC_ENTRIES} entries` });

const submission = z
  .strictObject({
    command: jobFields.command,
    container_group_id: jobFields.containerGroupId,
    arguments: jobFields.arguments.nullish(),
    environment: jobFields.environment.nullish(),
    webhook: jobFields.webhook.nullish(),
    sync: z
      .strictObject({ before: syncEntries.nullish(), during: syncEntries.nullish(), after: syncEntries.nullish() })
      .nullish(),
    compression: jobFields.compression.nullish(),
    max_failures: jobFields.maxFailures.nullish(),
    max_interruptions: jobFields.maxInterruptions.nullish(),
    heartbeat_interval: jobFields.heartbeatInterval.nullish(),
    timeout_seconds: jobFields.timeoutSeconds.nullish(),
    stall_timeout_seconds: jobFields.stallTimeoutSeconds.nullish(),
    name: jobFields.name.nullish(),
    priority: jobFields.priority.nullish(),
    labels: jobFields.labels.nullish(),
    input_bucket: syncFields.bucket.nullish(),
    input_prefix: syncFields.prefix.nullish(),
    checkpoint_bucket: syncFields.bucket.nullish(),
    checkpoint_prefix: syncFields.prefix.nullish(),
    output_bucket: syncFields.bucket.nullish(),
    output_prefix: syncFields.prefix.nullish(),
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
export const jobBody = submission
  .transform(toSpec)
  .pipe(jobSpecSchema)
  .openapi('JobSubmission', { example: exampleSubmission });

export const jobsBody = z
  .array(jobBody)
  .min(1, { error: 'Expected at least 1 job' })
  .max(MAX_BATCH, { error: `Expected at most ${MAX_BATCH} jobs: send the rest in another request` });

function toSpec(body: Submission): z.input<typeof jobSpecSchema> {
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
