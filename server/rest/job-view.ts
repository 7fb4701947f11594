import { z } from '@hono/zod-openapi';
import { may, type Viewer } from '../../core/accounts/keys.ts';
import { statusReason } from '../../core/jobs/reason.ts';
import type { findJob, JobFilter, newestAttempts } from '../../core/jobs/find.ts';
import type { JobSpec } from '../../core/jobs/spec.ts';
import { accountWords, jobWords, olderWords, said, syncWords } from './field-words.ts';

export type Job = Awaited<ReturnType<typeof findJob>>;
type Attempt = Awaited<ReturnType<typeof newestAttempts>> extends Map<string, infer One> ? One : never;
type JobStatus = NonNullable<JobFilter['status']>[number];
type Sync = NonNullable<JobSpec['sync']>;
type LegacySync = NonNullable<JobSpec['legacySync']>;

/** REST's words for the states. */
const statusNames = {
  PENDING: 'pending',
  RUNNING: 'running',
  COMPLETED: 'completed',
  CANCELED: 'canceled',
  FAILED: 'failed',
} as const satisfies Record<JobStatus, string>;

const time = z.iso.datetime().openapi({ example: '2026-01-01T12:00:00.000Z' });

const syncEntryView = z
  .object({
    bucket: said(z.string(), syncWords.bucket),
    prefix: said(z.string(), syncWords.prefix),
    local_path: said(z.string(), syncWords.localPath),
    direction: said(z.enum(['download', 'upload']), syncWords.direction),
    pattern: said(z.string().nullable(), syncWords.pattern),
    pattern_syntax: said(z.enum(['glob', 'regex']).nullable(), syncWords.patternSyntax),
  })
  .openapi('SyncEntry');

const syncView = z.object({
  before: said(z.array(syncEntryView), jobWords.before),
  during: said(z.array(syncEntryView), jobWords.during),
  after: said(z.array(syncEntryView), jobWords.after),
});

const ENVIRONMENT = `${jobWords.environment}; null for a key that may only read`;

export const jobView = z
  .object({
    id: said(z.uuid(), 'Of the job'),
    user_id: said(z.uuid(), accountWords.userId),
    status: said(
      z.enum(statusNames),
      'Where it stands. `completed`, `failed` and `canceled` are final but for a retry',
    ),
    status_reason: said(
      z.string().nullable(),
      'Why it waits, what hinders it while it runs, or why it ended, for a person',
    ),
    created: said(time, 'When it was submitted'),
    started: said(time.nullable(), 'When a machine first got it'),
    completed: said(time.nullable(), 'When it was completed'),
    canceled: said(time.nullable(), 'When it was canceled'),
    failed: said(time.nullable(), 'When it failed for good'),
    heartbeat: said(time.nullable(), 'When the newest attempt last gave a sign of life'),
    name: said(z.string().nullable(), jobWords.name),
    command: said(z.string(), jobWords.command),
    arguments: said(z.array(z.string()), jobWords.arguments),
    environment: said(z.record(z.string(), z.string()).nullable(), ENVIRONMENT),
    container_group_id: said(z.string(), jobWords.containerGroupId),
    machine_id: said(z.string().nullable(), 'The machine that has it, or had it last'),
    attempt: said(z.int().nullable(), 'Number of the newest attempt; null before the first'),
    webhook: said(z.string().nullable(), `${jobWords.webhook}; null for a key that may not read`),
    priority: said(z.int(), jobWords.priority),
    labels: said(z.record(z.string(), z.string()), jobWords.labels),
    compression: said(z.boolean(), jobWords.compression),
    heartbeat_interval: said(z.int(), jobWords.heartbeatInterval),
    timeout_seconds: said(z.int().nullable(), jobWords.timeoutSeconds),
    stall_timeout_seconds: said(z.int().nullable(), jobWords.stallTimeoutSeconds),
    max_failures: said(z.int(), jobWords.maxFailures),
    num_failures: said(z.int(), 'How often its command has failed, since the last retry'),
    max_interruptions: said(z.int().nullable(), jobWords.maxInterruptions),
    num_interruptions: said(z.int(), 'How many attempts were lost or given back, since the last retry'),
    sync: said(syncView.nullable(), `${jobWords.sync}; null without, and in the older form`),
    input_bucket: said(z.string().optional(), olderWords.inputBucket),
    input_prefix: said(z.string().optional(), olderWords.inputPrefix),
    checkpoint_bucket: said(z.string().optional(), olderWords.checkpointBucket),
    checkpoint_prefix: said(z.string().optional(), olderWords.checkpointPrefix),
    output_bucket: said(z.string().optional(), olderWords.outputBucket),
    output_prefix: said(z.string().optional(), olderWords.outputPrefix),
  })
  .openapi('Job');
export type JobView = z.infer<typeof jobView>;

/** What is told of a job besides its own row: its newest attempt, and why it waits. */
export interface Beside {
  attempt?: Pick<Attempt, 'heartbeatAt' | 'outcome' | 'warning'> | undefined;
  waiting?: string | undefined;
}

/** A job as REST shows it to this viewer. */
export function viewOfJob(job: Job, { attempt, waiting }: Beside, viewer: Viewer): JobView {
  const status: JobStatus = job.status;
  return {
    id: job.id,
    user_id: job.accountId,
    status: statusNames[status],
    status_reason: statusReason(job, { waiting, attempt }),
    created: job.createdAt.toISOString(),
    started: timeOrNull(job.startedAt),
    completed: timeOrNull(job.completedAt),
    canceled: timeOrNull(job.canceledAt),
    failed: timeOrNull(job.failedAt),
    heartbeat: timeOrNull(attempt?.heartbeatAt),
    name: job.name,
    command: job.command,
    arguments: job.arguments,
    // Secrets often travel here: only who submits, and who runs the command, sees them.
    environment: may(viewer, 'submit') || may(viewer, 'work') ? job.environment : null,
    container_group_id: job.containerGroupId,
    machine_id: job.machineId,
    attempt: job.attemptNumber === 0 ? null : job.attemptNumber,
    webhook: may(viewer, 'read') ? job.webhook : null,
    priority: job.priority,
    labels: job.labels,
    compression: job.compression,
    heartbeat_interval: job.heartbeatInterval,
    timeout_seconds: job.timeoutSeconds,
    stall_timeout_seconds: job.stallTimeoutSeconds,
    max_failures: job.maxFailures,
    num_failures: job.numFailures,
    max_interruptions: job.maxInterruptions,
    num_interruptions: job.numInterruptions,
    sync: job.sync && viewOfSync(job.sync),
    ...(job.legacySync && viewOfLegacySync(job.legacySync)),
  };
}

function timeOrNull(at: Date | null | undefined): string | null {
  return at?.toISOString() ?? null;
}

function viewOfSync(sync: Sync) {
  return {
    before: sync.before.map(viewOfEntry),
    during: sync.during.map(viewOfEntry),
    after: sync.after.map(viewOfEntry),
  };
}

function viewOfEntry(entry: Sync['before'][number]): z.infer<typeof syncEntryView> {
  return {
    bucket: entry.bucket,
    prefix: entry.prefix,
    local_path: entry.localPath,
    direction: entry.direction === 'DOWNLOAD' ? 'download' : 'upload',
    pattern: entry.pattern,
    pattern_syntax: entry.patternSyntax && (entry.patternSyntax === 'GLOB' ? 'glob' : 'regex'),
  };
}

function viewOfLegacySync(sync: LegacySync) {
  return {
    input_bucket: sync.inputBucket,
    input_prefix: sync.inputPrefix,
    checkpoint_bucket: sync.checkpointBucket,
    checkpoint_prefix: sync.checkpointPrefix,
    output_bucket: sync.outputBucket,
    output_prefix: sync.outputPrefix,
  };
}
