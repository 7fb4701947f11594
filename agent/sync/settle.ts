import mime from 'mime-types';
import { isSame, type Observed } from './scan.ts';

/**
 * What may be done with a dirty file now. `whole`: it rests, so the state that was seen is a whole one. `replaced`: the name never rests,
 * but the file that has it at a moment may. `wait` says after how many milliseconds to look again.
 */
export type Verdict = { kind: 'whole' | 'replaced' | 'prefix' } | { kind: 'wait'; millis: number };

export interface SettleTimes {
  /** A file that did not change for so many milliseconds is taken for finished. */
  stabilityCheckMs: number;
  /** A file that grows without end is published at most every so many milliseconds. */
  maxWaitMs: number;
}

/** When a look at the directories began and ended: each file was seen at some moment between. Milliseconds of the monotonic clock. */
export interface Look {
  began: number;
  ended: number;
}

/** What was seen of one dirty file. Times are milliseconds of the monotonic clock. */
export interface Track {
  state: Observed;
  /** First seen dirty since it was last published. */
  since: number;
  /** When the look ended that saw it change last. */
  changedAt: number;
  /** Whether every change made the same file longer. */
  onlyGrew: boolean;
  /** Whether the last change put another file in its place. */
  replaced: boolean;
  /** Whether it is the same file whose content the bucket has. */
  inPlace: boolean;
  /** Whether it is shorter than what the bucket has of the same file: most likely somebody is writing it anew. */
  cut: boolean;
}

/** What is remembered of the last publication. */
export interface Published {
  at: number;
  state: { size: number; ino: bigint };
}

/** Takes what a look that ended `now` saw of a dirty file into its track; `previous` is its state in the bucket. Pure. */
export function look(track: Track | undefined, state: Observed, now: number, previous?: Observed): Track {
  const inPlace = previous?.ino === state.ino;
  const cut = isCut(state, previous);
  if (track === undefined) {
    const onlyGrew = !inPlace || state.size > previous.size;
    return { state, since: now, changedAt: now, onlyGrew, replaced: false, inPlace, cut };
  }
  if (isSame(track.state, state)) return { ...track, state, inPlace, cut };
  const replaced = track.state.ino !== state.ino;
  const grew = !replaced && state.size > track.state.size;
  const onlyGrew = replaced || (track.onlyGrew && grew);
  return { state, since: track.since, changedAt: now, onlyGrew, replaced, inPlace, cut };
}

/** Whether the file is shorter than it was when its `previous` state was published. */
export function isCut(state: Observed, previous: Observed | undefined): boolean {
  return previous?.ino === state.ino && state.size < previous.size;
}

/**
 * Milliseconds without a change after which a file is taken for finished. A program that truncates first (`cut`) and
 * thinks before it writes must not replace its last good file by an empty one.
 */
export function settlesMs(cut: boolean, { stabilityCheckMs, maxWaitMs }: SettleTimes): number {
  return cut ? Math.max(stabilityCheckMs, maxWaitMs) : stabilityCheckMs;
}

/** A file that grows for this many times the longest wait is taken for one that is never finished. */
const WAITS_OF_GROWTH = 12;

/**
 * Decides from what was seen so far. Half of a file is published only where half of it is of use: of one that the bucket
 * has a beginning of, of a log or a trajectory (`isLog`), and of one that grew for long. A checkpoint that is slowly written under its
 * final name is none of these. It rested at least from the end of the look that saw it change to the beginning of the present one,
 * however long looks take. Pure.
 */
export function judge(
  track: Track,
  published: Published | undefined,
  { began, ended: now }: Look,
  times: SettleTimes,
  isLog: boolean,
): Verdict {
  const { state, since, changedAt, onlyGrew, replaced, inPlace, cut } = track;
  const calmsMs = settlesMs(cut, times);
  const calmsInMs = Math.max(0, changedAt + calmsMs - now);
  if (began - changedAt >= calmsMs) {
    const isLonger = onlyGrew && published?.state.ino === state.ino && state.size > published.state.size;
    const pauseMs = isLonger ? published.at + times.maxWaitMs - now : 0;
    return pauseMs > 0 ? { kind: 'wait', millis: pauseMs } : { kind: 'whole' };
  }
  const isOverdue = now >= Math.max(since, published?.at ?? 0) + times.maxWaitMs;
  if (!isOverdue || !onlyGrew) return { kind: 'wait', millis: calmsInMs };
  if (replaced) return { kind: 'replaced' };
  const growsOn = isLog || inPlace || now >= since + WAITS_OF_GROWTH * times.maxWaitMs;
  return growsOn ? { kind: 'prefix' } : { kind: 'wait', millis: calmsInMs };
}

/** Formats of simulations that are written record by record and never touched again: half a trajectory is a shorter one. */
const TRAJECTORY = /\.(?:xtc|trr|edr|dcd|trj|mdcrd|xyz|extxyz|lammpstrj)$/i;

/**
 * Whether a file of this name is of use at any length, as logs and trajectories are. A name may lie: that the file only grows is
 * checked byte by byte all the same, before each publication of a part of it.
 */
export function isUsefulAtAnyLength(name: string): boolean {
  const isLog = /\.(?:jsonl|ndjson|out|err)$|\btfevents\b/i.test(name) || /^text\//.test(mime.lookup(name) || '');
  return isLog || TRAJECTORY.test(name);
}
