import { perSecond, type Sample, sampled } from './rate.ts';

/** How far downloads or uploads are. Totals are what is known of so far. */
export interface Transfer {
  filesDone: number;
  filesTotal: number;
  /** Of files under way too. */
  bytesDone: number;
  bytesTotal: number;
  bytesPerSecond: number;
}

/** One file on its way. After `done` or `dropped` nothing that it says counts. */
export interface Course {
  /** So many bytes of it have moved; negative ones are taken back. */
  moved(bytes: number): void;
  /** It is where it should be. */
  done(): void;
  /** It will not be, not this time. */
  dropped(): void;
}

/** Keeps account of files on their way. Times are milliseconds of a clock that never goes back. */
export interface TransferRecord {
  /** From now on counts what is under way and what comes, until `end`. Does nothing when it counts already. */
  begin(now: number): void;
  end(): void;
  planned(bytes: number): Course;
  /** Undefined while nothing is counted, or nothing is known of. */
  state(now: number): Transfer | undefined;
}

export function createTransferRecord(): TransferRecord {
  const account = createAccount();
  let samples: readonly Sample[] | undefined;
  return {
    begin(now) {
      if (samples !== undefined) return;
      account.forgetDone();
      samples = sampled([], { at: now, total: account.sum.bytesDone });
    },
    end: () => (samples = undefined),
    planned: (bytes) => createCourse(account, bytes),
    state(now) {
      if (samples === undefined || account.sum.filesTotal === 0) return undefined;
      samples = sampled(samples, { at: now, total: account.sum.bytesDone });
      return { ...account.sum, bytesPerSecond: Math.round(perSecond(samples)) };
    },
  };
}

/** What is done and known since the last beginning, in files and bytes. */
function createAccount() {
  const sum = { filesDone: 0, filesTotal: 0, bytesDone: 0, bytesTotal: 0 };
  let done = { files: 0, bytes: 0 };
  return {
    sum,
    closed(bytes: number) {
      sum.filesDone += 1;
      done = { files: done.files + 1, bytes: done.bytes + bytes };
    },
    /** What is under way still counts. */
    forgetDone() {
      sum.filesDone -= done.files;
      sum.filesTotal -= done.files;
      sum.bytesDone -= done.bytes;
      sum.bytesTotal -= done.bytes;
      done = { files: 0, bytes: 0 };
    },
  };
}

function createCourse(account: ReturnType<typeof createAccount>, bytes: number): Course {
  const { sum } = account;
  let moved = 0;
  let counted = 0;
  let isOver = false;
  sum.filesTotal += 1;
  sum.bytesTotal += bytes;

  const count = (now: number) => {
    sum.bytesDone += now - counted;
    counted = now;
  };
  return {
    moved(more) {
      moved += more;
      // A file may have grown since it was planned.
      if (!isOver) count(Math.min(bytes, Math.max(0, moved)));
    },
    done() {
      if (isOver) return;
      isOver = true;
      count(bytes);
      account.closed(bytes);
    },
    dropped() {
      if (isOver) return;
      isOver = true;
      count(0);
      sum.filesTotal -= 1;
      sum.bytesTotal -= bytes;
    },
  };
}
