import type { CompleteAttemptInput, HeartbeatInput } from './generated/graphql.ts';
import type { SyncState } from './sync/observation.ts';

/** What a heartbeat says of the sync: totals and present states, so that one that is lost or repeated does no harm. */
export type Tidings = Omit<HeartbeatInput, 'jobId' | 'attempt' | 'phase' | 'progress'>;
/** What the report of an ending says of it. */
export type Totals = Omit<CompleteAttemptInput, 'jobId' | 'attempt'>;

/** Which of it the server has not heard yet. */
export interface News {
  /** Whether something is worth a heartbeat of its own. */
  isDue(): boolean;
  /** Whether there is a warning that the server has not heard. */
  warns(): boolean;
  /** For a heartbeat that goes out now. */
  take(): Tidings;
  /** The server has acknowledged these. */
  told(tidings: Tidings): void;
}

/** One event for a burst of files, however often the connection or the phase makes a heartbeat urgent. */
const CHECKPOINTS_AT_MOST_EVERY_MS = 1000;
/** A change waits as long in the normal course of things; the server counts on from what it has heard. */
const WORTH_TELLING_SECONDS = 10;

export function createNews(state: () => SyncState, now: () => number = () => performance.now()): News {
  let known: Tidings = { syncLagSeconds: 0 };
  let knownFiles = 0;
  let checkpointsSaidAt = -Infinity;

  return {
    isDue() {
      const { checkpoints, transfer, lagSeconds, warning } = state();
      return (
        checkpoints.files > knownFiles ||
        warning !== (known.warning ?? undefined) ||
        (transfer !== undefined && !isSame(known.transfer, inputOf(transfer))) ||
        hasTurned(known.syncLagSeconds ?? 0, lagSeconds ?? 0)
      );
    },
    warns() {
      const { warning } = state();
      return warning !== undefined && warning !== known.warning;
    },
    take() {
      const present = state();
      const { checkpoints, ...counts } = totalsOf(present);
      const { transfer, lagSeconds, warning } = present;
      const saysCheckpoints =
        present.checkpoints.files > knownFiles && now() - checkpointsSaidAt >= CHECKPOINTS_AT_MOST_EVERY_MS;
      if (saysCheckpoints) checkpointsSaidAt = now();
      return {
        ...counts,
        ...(saysCheckpoints && checkpoints ? { checkpoints } : {}),
        ...(transfer === undefined ? {} : { transfer: inputOf(transfer) }),
        ...(lagSeconds === null ? {} : { syncLagSeconds: lagSeconds }),
        warning: warning ?? null,
      };
    },
    told(tidings) {
      known = tidings;
      knownFiles = Math.max(knownFiles, tidings.checkpoints?.files ?? 0);
    },
  };
}

/** What has been carried, as every report says it. */
export function totalsOf({ counts, checkpoints }: SyncState): Totals {
  return {
    bytesDownloaded: String(counts.bytesDownloaded),
    bytesUploaded: String(counts.bytesUploaded),
    filesDownloaded: counts.filesDownloaded,
    filesUploaded: counts.filesUploaded,
    ...(checkpoints.files === 0
      ? {}
      : { checkpoints: { ...checkpoints, bytes: String(checkpoints.bytes), newestKeys: [...checkpoints.newestKeys] } }),
  };
}

function inputOf(transfer: NonNullable<SyncState['transfer']>): NonNullable<Tidings['transfer']> {
  return { ...transfer, bytesDone: String(transfer.bytesDone), bytesTotal: String(transfer.bytesTotal) };
}

function isSame(known: Tidings['transfer'], present: NonNullable<Tidings['transfer']>): boolean {
  return JSON.stringify(known) === JSON.stringify(present);
}

/** Whether the bucket has fallen behind, or has caught up, since the server heard of it. */
function hasTurned(known: number, present: number): boolean {
  return known === 0 ? present >= WORTH_TELLING_SECONDS : present === 0;
}
