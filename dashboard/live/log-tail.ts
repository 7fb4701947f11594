import { JobLogsDocument, type JobLogsSubscription } from '../generated/graphql.ts';
import type { Connection } from './connection.ts';
import { print } from './print.ts';
import { refusedBy } from './refusal.ts';
import { createStore, type Store } from './store.ts';

export type LogLine = JobLogsSubscription['jobLogs']['lines'][number];

export interface LogTail {
  lines: readonly LogLine[];
  /** How many lines before them were let go of. */
  dropped: number;
  /** The job has ended, and everything was told. */
  isOver: boolean;
  fault: string | undefined;
}

/** So many lines are held: a terminal's worth, not an archive. The whole log is the API's. */
export const MAX_LINES = 5_000;
const SHOW_EVERY_MS = 100;

/**
 * Follows what a job's command writes, from the beginning of the given attempt (the newest without one). After a lost connection it goes
 * on with the line after the last.
 */
export function followLogs(
  { socket }: Connection,
  from: { jobId: string; attempt: number | undefined },
): { tail: Store<LogTail>; close(): void } {
  const tail = createStore<LogTail>({ lines: [], dropped: 0, isOver: false, fault: undefined });
  const fail = (fault: string | undefined): void => tail.set({ ...tail.get(), fault });
  const shown = showing(tail);
  let attempt = from.attempt ?? null;
  let fromOffset = 0;
  const unsubscribe = socket.subscribe<JobLogsSubscription>(
    {
      query: print(JobLogsDocument),
      // Read whenever the subscription is sent, as for the feed of events.
      variables: {
        jobId: from.jobId,
        get attempt() {
          return attempt;
        },
        get fromOffset() {
          return fromOffset;
        },
      },
    },
    {
      next({ data, errors }) {
        if (data == null) {
          fail(refusedBy(errors));
          return;
        }
        attempt = data.jobLogs.attempt;
        fromOffset = data.jobLogs.nextOffset;
        shown.add(data.jobLogs.lines);
      },
      // The connection says so itself, to the whole page, unless the server has refused this one.
      error: (fault) => {
        fail(refusedBy(fault));
      },
      complete: () => {
        shown.now();
        tail.set({ ...tail.get(), isOver: true });
      },
    },
  );
  return {
    tail,
    close() {
      shown.stop();
      unsubscribe();
    },
  };
}

/** Shows what has come a few times a second, however many lines that are. */
function showing(tail: Store<LogTail>): { add(lines: LogLine[]): void; now(): void; stop(): void } {
  let come: LogLine[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const now = (): void => {
    timer = undefined;
    const all = [...tail.get().lines, ...come];
    const over = Math.max(0, all.length - MAX_LINES);
    come = [];
    tail.set({ ...tail.get(), lines: all.slice(over), dropped: tail.get().dropped + over });
  };
  return {
    add(lines) {
      come.push(...lines);
      timer ??= setTimeout(now, SHOW_EVERY_MS);
    },
    now,
    stop: () => clearTimeout(timer),
  };
}
