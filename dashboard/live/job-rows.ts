import type { JobFeedSubscription, JobRowFragment, JobStatus } from '../generated/graphql.ts';

export type JobRow = JobRowFragment;
export type FeedEvent = Extract<JobFeedSubscription['jobEvents'], { cursor: string }>;

/** The status that a job has after an event, where the event tells. */
export function statusAfter({ type, data }: Pick<FeedEvent, 'type' | 'data'>): JobStatus | undefined {
  switch (type) {
    case 'SUBMITTED':
    case 'RETRIED':
      return 'PENDING';
    case 'CLAIMED':
    case 'ATTEMPT_RESUMED':
      return 'RUNNING';
    case 'COMPLETED':
    case 'FAILED':
    case 'CANCELED':
      return type;
    case 'ATTEMPT_ENDED':
      return isStatus(data.status) ? data.status : undefined;
    case 'PHASE_CHANGED':
    case 'PROGRESSED':
    case 'CHECKPOINT_SAVED':
    case 'WARNED':
    case 'BAN_LIFTED':
    case 'PURGED':
      return undefined;
  }
}

/** The row as the event leaves it. What an event does not tell of, counters above all, is `needsLook`'s business. */
export function rowAfter(row: JobRow, event: FeedEvent): JobRow {
  const { type, data, at, attempt } = event;
  const status = statusAfter(event) ?? row.status;
  switch (type) {
    case 'CLAIMED':
    case 'ATTEMPT_RESUMED':
      return {
        ...row,
        status,
        machineId: text(data.machineId) ?? row.machineId,
        startedAt: row.startedAt ?? at,
        attempt: attempt == null ? row.attempt : { number: attempt, phase: null },
        progress: type === 'CLAIMED' ? null : row.progress,
      };
    case 'PHASE_CHANGED':
      return row.attempt == null ? row : { ...row, attempt: { ...row.attempt, phase: phaseIn(data) } };
    case 'PROGRESSED':
      return { ...row, progress: { fraction: fractionIn(data), message: text(data.message) ?? null } };
    case 'ATTEMPT_ENDED':
      return { ...row, status, attempt: row.attempt == null ? null : { ...row.attempt, phase: null } };
    case 'COMPLETED':
      return { ...row, status, completedAt: at };
    case 'FAILED':
      return { ...row, status, failedAt: at };
    case 'CANCELED':
      return { ...row, status, canceledAt: at };
    case 'RETRIED':
      return { ...row, status, failedAt: null, canceledAt: null, machineId: null };
    case 'SUBMITTED':
    case 'CHECKPOINT_SAVED':
    case 'WARNED':
    case 'BAN_LIFTED':
    case 'PURGED':
      return row;
  }
}

/** Whether the job is to be looked at anew, because the event does not tell all that a row shows. */
export function needsLook(type: FeedEvent['type']): boolean {
  return type === 'ATTEMPT_ENDED' || type === 'ATTEMPT_RESUMED' || type === 'RETRIED';
}

const PHASES = ['DOWNLOADING', 'RUNNING', 'UPLOADING'] as const;
const STATUSES = ['PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELED'] as const satisfies JobStatus[];

function phaseIn(data: Record<string, unknown>): (typeof PHASES)[number] | null {
  return PHASES.find((phase) => phase === data.phase) ?? null;
}

function fractionIn({ fraction }: Record<string, unknown>): number | null {
  return typeof fraction === 'number' ? fraction : null;
}

export function isStatus(value: unknown): value is JobStatus {
  return STATUSES.some((status) => status === value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
