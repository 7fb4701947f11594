import { type Fingerprint, isSame, type Observed } from './scan.ts';

/** What may be done with a dirty file now. `wait` says after how many milliseconds to look again. */
export type Verdict = { kind: 'whole' } | { kind: 'prefix' } | { kind: 'wait'; millis: number };

export interface SettleTimes {
  /** A file that did not change for so many milliseconds is taken for finished. */
  stabilityCheckMs: number;
  /** A file that grows without end is published at most every so many milliseconds. */
  maxWaitMs: number;
}

/** What was seen of one dirty file. Times are milliseconds of the monotonic clock. */
export interface Track {
  state: Observed;
  /** First seen dirty since it was last published. */
  since: number;
  /** Last seen to change. */
  changedAt: number;
  /** Whether every change made the same file longer. */
  onlyGrew: boolean;
  /** Whether the last change put another file in its place. */
  replaced: boolean;
  /** Whether it is shorter than what the bucket has of the same file: most likely somebody is writing it anew. */
  cut: boolean;
}

/** What is remembered of the last publication. */
export interface Published {
  at: number;
  state: { size: number; ino: bigint };
}

/** Takes a new look at a dirty file into its track; `previous` is its state in the bucket. Pure. */
export function look(track: Track | undefined, state: Observed, now: number, previous?: Fingerprint): Track {
  const inPlace = previous?.ino === state.ino;
  const cut = inPlace && state.size < previous.size;
  if (track === undefined) {
    const onlyGrew = !inPlace || state.size > previous.size;
    return { state, since: now, changedAt: now, onlyGrew, replaced: false, cut };
  }
  if (isSame(track.state, state)) return { ...track, state, cut };
  const replaced = track.state.ino !== state.ino;
  const grew = !replaced && state.size > track.state.size;
  return { state, since: track.since, changedAt: now, onlyGrew: replaced || (track.onlyGrew && grew), replaced, cut };
}

/** Decides from what was seen so far. Pure. */
export function judge(track: Track, published: Published | undefined, now: number, times: SettleTimes): Verdict {
  const { state, since, changedAt, onlyGrew, replaced, cut } = track;
  // A program that truncates first and thinks before it writes must not replace its last good file by an empty one.
  const settlesMs = cut ? Math.max(times.stabilityCheckMs, times.maxWaitMs) : times.stabilityCheckMs;
  const calmMs = now - changedAt;
  if (calmMs >= settlesMs) {
    const isLonger = onlyGrew && published?.state.ino === state.ino && state.size > published.state.size;
    const pauseMs = isLonger ? published.at + times.maxWaitMs - now : 0;
    return pauseMs > 0 ? { kind: 'wait', millis: pauseMs } : { kind: 'whole' };
  }
  const isOverdue = now >= Math.max(since, published?.at ?? 0) + times.maxWaitMs;
  if (!isOverdue || !onlyGrew) return { kind: 'wait', millis: settlesMs - calmMs };
  // Whoever keeps renaming finished files into place never writes into the one that is there.
  return replaced ? { kind: 'whole' } : { kind: 'prefix' };
}
