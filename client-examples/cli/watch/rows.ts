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
  /** What its command last said of itself: shown again when a transfer is over. */
  own: Progress;
}

interface Progress {
  fraction: number | null;
  message: string | null;
}

export type JobEvent = Extract<JobEventsSubscription['jobEvents'], { __typename: 'JobEvent' }>;

export function rowOf(job: JobRowFragment): Row {
  const shown = { fraction: job.progress?.fraction ?? null, message: job.progress?.message ?? null };
  const phase = job.attempt?.phase ?? null;
  return {
    id: job.id,
    name: job.name ?? null,
    containerGroupId: job.containerGroupId,
    status: job.status,
    reason: job.statusReason ?? null,
    attempt: job.attempt?.number ?? null,
    machineId: job.machineId ?? null,
    phase,
    ...shown,
    lastCheckpointAt: job.lastCheckpointAt ?? null,
    own: phase === 'DOWNLOADING' || phase === 'UPLOADING' ? NOTHING : shown,
  };
}

/** The row after an event: all that can be told without asking the server again. */
export function applyEvent(row: Row, event: JobEvent): Row {
  const { type, data, at, attempt } = event;
  switch (type) {
    case 'CLAIMED': {
      const begun = { attempt: attempt ?? row.attempt, machineId: textOf(data.machineId) ?? row.machineId };
      return { ...row, ...begun, status: 'RUNNING', reason: null, phase: null, ...NOTHING, own: NOTHING };
    }
    case 'ATTEMPT_RESUMED':
      return { ...row, status: 'RUNNING', reason: null };
    case 'PHASE_CHANGED':
      // The progress of a transfer goes with its phase.
      return { ...row, phase: phaseOf(data.phase), ...row.own };
    case 'PROGRESSED':
      return progressed(row, data);
    case 'CHECKPOINT_SAVED':
      return { ...row, lastCheckpointAt: at };
    case 'WARNED':
      return { ...row, reason: textOf(data.message) };
    case 'ATTEMPT_ENDED': {
      const outcome = textOf(data.outcome) ?? 'ended';
      const why = textOf(data.reason);
      // How a job ended for good is an event of its own, which comes next.
      if (data.status !== 'PENDING') return { ...row, reason: why ?? outcome };
      return {
        ...ended(row, 'PENDING'),
        reason: `attempt ${attempt ?? ''} ${outcome}${why === null ? '' : `: ${why}`}`,
      };
    }
    case 'COMPLETED':
      return { ...ended(row, 'COMPLETED'), reason: null };
    case 'FAILED':
    case 'CANCELED':
      return ended(row, type);
    case 'PURGED':
      return removed(row);
    case 'RETRIED':
      return { ...row, status: 'PENDING', machineId: null, reason: null };
    case 'SUBMITTED':
    case 'BAN_LIFTED':
      return row;
    default:
      // A newer server may tell of more.
      return row;
  }
}

const NOTHING: Progress = { fraction: null, message: null };

/** Of the command, or of its downloads or uploads, which is told by what it measures. */
function progressed(row: Row, data: JobEvent['data']): Row {
  const said = { fraction: numberOf(data.fraction), message: textOf(data.message) };
  const isTransfer = typeof data.metrics === 'object' && data.metrics !== null && 'bytesDone' in data.metrics;
  if (isTransfer && row.phase !== 'RUNNING') return { ...row, ...said };
  const isHidden = row.phase === 'DOWNLOADING' || row.phase === 'UPLOADING';
  return { ...row, own: said, ...(isHidden ? {} : said) };
}

function ended(row: Row, status: Row['status']): Row {
  return { ...row, status, phase: null, ...row.own };
}

/** What was removed after its end, because it was old, has ended as it did. */
export function removed(row: Row): Row {
  return hasEnded(row) ? row : ended(row, 'PURGED');
}

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
