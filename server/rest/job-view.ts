import { z } from '@hono/zod-openapi';
import { may, type Viewer } from '../../core/accounts/keys.ts';
import { statusReason } from '../../core/jobs/reason.ts';
import type { findJob, JobFilter, newestAttempts } from '../../core/jobs/find.ts';
import type { JobSpec } from '../../core/jobs/spec.ts';

export type Job = Awaited<ReturnType<typeof findJob>>;
type Attempt = Awaited<ReturnType<typeof newestAttempts>> extends Map<string, infer One> ? One : never;
type JobStatus = NonNullable<JobFilter['status']>[number];
type Sync = NonNullable<JobSpec['sync']>;
type LegacySync = NonNullable<JobSpec['legacySync']>;

/** REST's words for the states. */
export const statusNames = {
  PENDING: 'pending',
  RUNNING: 'running',
  COMPLETED: 'completed',
  CANCELED: 'canceled',
  FAILED: 'failed',
} as const satisfies Record<JobStatus, string>;

const time = z.iso.datetime().openapi({ example: '2026-01-01T12:00:00.000Z' });

const syncEntryView = z
  .object({
    bucket: z.string(),
    prefix: z.string(),
    local_path: z.string(),
    direction: z.enum(['download', 'upload']),
    pattern: z.string().nullable(),
    pattern_syntax: z.enum(['glob', 'regex']).nullable(),
  })
  .openapi('SyncEntry');

const syncView = z.object({
  before: z.array(syncEntryView),
  during: z.array(syncEntryView),
  after: z.array(syncEntryView),
});

const olderForm = { description: 'Only where the job was submitted in the older form of sync' };

export const jobView = z
  .object({
    id: z.uuid(),
    user_id: z.uuid(),
    status: z.enum(statusNames),
    status_reason: z
      .string()
      .nullable()
      .openapi({ description: 'Why it waits, what hinders it while it runs, or why it ended, for a person' }),
    created: time,
    started: time.nullable(),
    completed: time.nullable(),
    canceled: time.nullable(),
    failed: time.nullable(),
    heartbeat: time.nullable(),
    name: z.string().nullable(),
    command: z.string(),
    arguments: z.array(z.string()),
    environment: z
      .record(z.string(), z.string())
      .nullable()
      .openapi({ description: 'null for a key that may only read' }),
    container_group_id: z.string(),
    machine_id: z.string().nullable(),
    attempt: z.int().nullable().openapi({ description: 'Number of the newest attempt; null before the first' }),
    webhook: z.string().nullable(),
    priority: z.int(),
    labels: z.record(z.string(), z.string()),
    compression: z.boolean(),
    heartbeat_interval: z.int().openapi({ description: 'Seconds' }),
    timeout_seconds: z.int().nullable(),
    stall_timeout_seconds: z.int().nullable(),
    max_failures: z.int(),
    num_failures: z.int(),
    max_interruptions: z.int().nullable(),
    num_interruptions: z.int(),
    sync: syncView.nullable(),
    input_bucket: z.string().optional().openapi(olderForm),
    input_prefix: z.string().optional().openapi(olderForm),
    checkpoint_bucket: z.string().optional().openapi(olderForm),
    checkpoint_prefix: z.string().optional().openapi(olderForm),
    output_bucket: z.string().optional().openapi(olderForm),
    output_prefix: z.string().optional().openapi(olderForm),
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
    webhook: job.webhook,
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
