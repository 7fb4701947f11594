import { AppendLogsDocument, HeartbeatDocument, type HeartbeatInput } from '../../agent/generated/graphql.ts';
import type { Wire } from './wire.ts';

/** What is counted of those that report. */
export interface ReportTally {
  /** How long heartbeats took, in milliseconds. */
  heartbeats: number[];
  /** Chunks of a log that were taken. */
  chunks: number;
  /** Reports that were due, but the last one was not answered: an agent sends one at a time. */
  passedOver: number;
  /** Leases that the server said were lost. */
  lost: number;
}

export interface Lease {
  jobId: string;
  attempt: number;
}

/** What an agent has to say, at times that have nothing to do with each other. */
export interface Reporter {
  beat(): void;
  append(): void;
}

/** Reporters take turns, so that each has one in `everyMs`, and never many at once. */
export interface Turns {
  every(milliseconds: number): void;
  add(reporter: Reporter): void;
}

const TICK_MS = 10;
const CHECKPOINT_EVERY_REPORTS = 6;

/** One timer for all: thousands of them would cost these processes more than what they are for. */
export function takeTurns(): Turns {
  const reporters: Reporter[] = [];
  let everyMs = Infinity;
  let due = 0;
  let next = 0;
  let lookedAt = performance.now();
  setInterval(() => {
    const now = performance.now();
    // A process that was late catches up with one turn of each at most.
    due = Math.min(reporters.length, due + (reporters.length * (now - lookedAt)) / everyMs);
    lookedAt = now;
    for (; due >= 1; due--) {
      reporters[next % reporters.length]?.beat();
      reporters[(next + Math.floor(reporters.length / 2)) % reporters.length]?.append();
      next += 1;
    }
  }, TICK_MS);
  return {
    every: (milliseconds) => (everyMs = milliseconds),
    add: (reporter) => reporters.push(reporter),
  };
}

/**
 * An agent whose command writes lines and says how far it is: a heartbeat with the command's progress and the state of the sync, and a
 * chunk of the log; a checkpoint with every sixth. Neither is sent again before it was answered, as with our agents.
 */
export function createReporter(wire: Wire, lease: Lease, book: { tally: ReportTally }): Reporter {
  const beganAt = performance.now();
  let reports = 0;
  let lines = 0;
  let isLost = false;
  const underWay = { beat: false, chunk: false };

  const beat = async (): Promise<void> => {
    const sentAt = performance.now();
    const { heartbeat } = await wire.ask(HeartbeatDocument, { input: { ...lease, ...saidAfter(reports++) } });
    if (heartbeat.__typename === 'Lease') book.tally.heartbeats.push(performance.now() - sentAt);
    else {
      isLost = true;
      book.tally.lost += 1;
    }
  };
  const append = async (): Promise<void> => {
    const line = { afterMillis: Math.round(performance.now() - beganAt), stream: 'STDOUT' as const };
    const text = `step ${reports} of ${STEPS}, loss ${(1 / (1 + reports)).toFixed(6)}`;
    const sent = [
      { ...line, text },
      { ...line, text: `${text}, saved` },
    ];
    const { appendLogs } = await wire.ask(AppendLogsDocument, { input: { ...lease, offset: lines, lines: sent } });
    if (appendLogs.__typename !== 'AppendedLogs') return;
    lines = appendLogs.nextOffset;
    book.tally.chunks += 1;
  };
  const once = (name: keyof typeof underWay, ask: () => Promise<void>): void => {
    if (isLost) return;
    if (underWay[name]) book.tally.passedOver += 1;
    else alone(underWay, name, ask);
  };
  return { beat: () => once('beat', beat), append: () => once('chunk', append) };
}

const STEPS = 100_000;

function alone<Name extends string>(underWay: Record<Name, boolean>, name: Name, ask: () => Promise<void>): void {
  underWay[name] = true;
  void ask().finally(() => (underWay[name] = false));
}

/** As an agent says it: the command's words where they are new, and of the sync totals and the present state. */
function saidAfter(reports: number): Omit<HeartbeatInput, keyof Lease> {
  const files = Math.floor(reports / CHECKPOINT_EVERY_REPORTS);
  const bytes = String(files * 10_485_760);
  return {
    progress: { fraction: reports / STEPS, message: `step ${reports}`, metrics: { loss: 1 / (1 + reports) } },
    ...{ bytesDownloaded: '0', filesDownloaded: 0, bytesUploaded: bytes, filesUploaded: files },
    ...{ syncLagSeconds: 0, warning: null },
    ...(files > 0 &&
      reports % CHECKPOINT_EVERY_REPORTS === 0 && {
        checkpoints: { files, bytes, newestKeys: [`runs/1/checkpoint-${files}.bin`] },
      }),
  };
}
