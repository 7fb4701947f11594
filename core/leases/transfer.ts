import type { Attempt, AttemptPhase, Progress } from '../../db/entities/attempt.ts';

/** How far an attempt's downloads or uploads are, as its agent says. Totals are what is known of so far. */
export interface Transfer {
  filesDone: number;
  filesTotal: number;
  /** Decimal strings: a job may carry more than a JSON number counts. */
  bytesDone: string;
  bytesTotal: string;
  bytesPerSecond: number;
}

const VERBS = { DOWNLOADING: 'downloading', UPLOADING: 'uploading' } as const;
type TransferPhase = keyof typeof VERBS;

/** A transfer in the words of a progress; nothing in a phase that transfers nothing. Said at `at`. */
export function progressOfTransfer(phase: AttemptPhase | null, transfer: Transfer, at: Date): Progress | null {
  if (!isTransferring(phase)) return null;
  const [bytesDone, bytesTotal] = [Number(transfer.bytesDone), Number(transfer.bytesTotal)];
  const { filesDone, filesTotal, bytesPerSecond } = transfer;
  const files = `${filesDone} of ${filesTotal} ${filesTotal === 1 ? 'file' : 'files'}`;
  return {
    fraction: bytesTotal > 0 ? share(bytesDone, bytesTotal) : share(filesDone, filesTotal),
    message: `${VERBS[phase]} ${files}, ${sizes(bytesDone, bytesTotal)} at ${sizes(bytesPerSecond)}/s`,
    metrics: { bytesDone, bytesTotal, filesDone, filesTotal, bytesPerSecond },
    at: at.toISOString(),
  };
}

/**
 * What is shown as a job's progress: its transfer while its newest attempt brings or carries data, otherwise what the command
 * last said of itself. So a download or an upload hides the command's word, and never replaces it.
 */
export function shownProgress(
  attempt: Pick<Attempt, 'outcome' | 'phase' | 'transfer' | 'progress'> | undefined,
): Progress | null {
  if (attempt === undefined) return null;
  const isLive = attempt.outcome === null && isTransferring(attempt.phase);
  return (isLive ? attempt.transfer : null) ?? attempt.progress;
}

function isTransferring(phase: AttemptPhase | null): phase is TransferPhase {
  return phase !== null && phase in VERBS;
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, part / whole) : 1;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `3.1 of 9.4 GiB`: all in the unit of the last. */
function sizes(...bytes: number[]): string {
  const last = Math.max(1, bytes.at(-1) ?? 0);
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(last) / 10));
  const inUnit = bytes.map((one) => one / 1024 ** power).map((one) => one.toFixed(power === 0 || one >= 100 ? 0 : 1));
  return `${inUnit.join(' of ')} ${UNITS[power] ?? ''}`;
}
