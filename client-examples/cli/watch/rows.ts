import type { AttemptPhase, JobEventsSubscription, JobRowFragment, JobStatus } from '../generated/graphql.ts';

/** A job as the watcher knows it. */
export interface Row {
  id: string;
  name: string | null;
  containerGroupId: string;
  status: JobStatus | 'PURGED';
  reason: string | null;
  attempt: number | null;
  machineId: string | null;
  phase: AttemptPhase | null;
  fraction: number | null;
  message: string | null;
  lastCheckpointAt: string | null;
}

export type JobEvent = Extract<JobEventsSubscription['jobEvents'], { __typename: 'JobEvent' }>;

export function rowOf(job: JobRowFragment): Row {
  return {
    id: job.id,
    name: job.name ?? null,
    containerGroupId: job.containerGroupId,
    status: job.status,
    reason: job.statusReason ?? null,
    attempt: job.attempt?.number ?? null,
    machineId: job.machineId ?? null,
    phase: job.attempt?.phase ?? null,
    fraction: job.progress?.fraction ?? null,
    message: job.progress?.message ?? null,
    lastCheckpointAt: job.lastCheckpointAt ?? null,
  };
}

/** The row after an event: all that can be told without asking the server again. */
export function applyEvent(row: Row, event: JobEvent): Row {
  const { type, data, at, attempt } = event;
  switch (type) {
    case 'SUBMITTED':
    case 'BAN_LIFTED':
      return row;
    case 'CLAIMED': {
      const begun = { attempt: attempt ?? row.attempt, machineId: textOf(data.machineId) ?? row.machineId };
      return { ...row, ...begun, status: 'RUNNING', reason: null, ...IDLE };
    }
    case 'ATTEMPT_RESUMED':
      return { ...row, status: 'RUNNING', reason: null };
    case 'PHASE_CHANGED':
      return { ...row, phase: phaseOf(data.phase) };
    case 'PROGRESSED':
      return { ...row, fraction: numberOf(data.fraction), message: textOf(data.message) };
    case 'CHECKPOINT_SAVED':
      return { ...row, lastCheckpointAt: at };
    case 'WARNED':
      return { ...row, reason: textOf(data.message) };
    case 'ATTEMPT_ENDED': {
      const outcome = textOf(data.outcome) ?? 'ended';
      const reason = `attempt ${attempt ?? ''} ${outcome}${textOf(data.reason) === null ? '' : `: ${textOf(data.reason) ?? ''}`}`;
      // How a job ended for good is an event of its own, which comes next.
      return data.status === 'PENDING' ? { ...row, status: 'PENDING', reason, phase: null } : { ...row, reason };
    }
    case 'COMPLETED':
      return { ...row, status: 'COMPLETED', phase: null, reason: null, fraction: 1 };
    case 'FAILED':
    case 'CANCELED':
    case 'PURGED':
      return { ...row, status: type, phase: null };
    case 'RETRIED':
      return { ...row, status: 'PENDING', reason: null, ...IDLE };
  }
}

const IDLE = { phase: null, fraction: null, message: null } as const;

export function hasEnded({ status }: Row): boolean {
  return status !== 'PENDING' && status !== 'RUNNING';
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function phaseOf(value: unknown): AttemptPhase | null {
  return value === 'DOWNLOADING' || value === 'RUNNING' || value === 'UPLOADING' ? value : null;
}
