import type { AttemptOutcome, AttemptPhase, JobHistoryQuery, JobStateFragment } from '../generated/graphql.ts';

export type PastEvent = NonNullable<JobHistoryQuery['job']>['events']['nodes'][number];
type Attempt = JobStateFragment['attempts']['nodes'][number];

/** One attempt along time. All moments are milliseconds since 1970, by the server's clock. */
export interface Bar {
  number: number;
  machineId: string;
  /** undefined while it lives. */
  outcome: AttemptOutcome | undefined;
  from: number;
  to: number;
  /** What it was doing, one after the other, without holes. `undefined`: it had not said yet. */
  phases: { phase: AttemptPhase | undefined; from: number; to: number }[];
  /** When checkpoints were in the bucket. */
  checkpoints: number[];
  /** Since when what was computed was lost with it; undefined when nothing was, or it can't be told. */
  lostFrom: number | undefined;
}

/** After these the job goes on, if at all, from its last checkpoint. */
const LOSING: readonly AttemptOutcome[] = ['LOST', 'RELEASED', 'FAILED', 'SYNC_FAILED', 'TIMED_OUT'];

/**
 * Attempts with what their events tell of them.
 * @param isWhole whether `events` are all there were: of what lies before the first of them, nothing is said to be lost
 * @param now up to when a living attempt reaches
 */
export function barsOf(
  attempts: readonly Attempt[],
  { events, isWhole, now }: { events: readonly PastEvent[]; isWhole: boolean; now: number },
): Bar[] {
  const byAttempt = Map.groupBy(events, ({ attempt }) => attempt ?? 0);
  const known = isWhole ? 0 : Date.parse(events[0]?.at ?? new Date(now).toISOString());
  return attempts.map((attempt) => {
    const own = byAttempt.get(attempt.number) ?? [];
    const from = Date.parse(attempt.startedAt);
    // The reader's clock may be behind the server's.
    const newest = Date.parse(own.at(-1)?.at ?? attempt.startedAt);
    const to = attempt.endedAt === null ? Math.max(from, now, newest) : Math.max(from, Date.parse(attempt.endedAt));
    const phases = phasesOf(own, from, to);
    const checkpoints = own.filter(({ type }) => type === 'CHECKPOINT_SAVED').map(({ at }) => Date.parse(at));
    const outcome = attempt.outcome ?? undefined;
    const isLosing = outcome !== undefined && LOSING.includes(outcome) && from >= known;
    const began = phases.find(({ phase }) => phase === 'RUNNING')?.from ?? to;
    return {
      ...{ number: attempt.number, machineId: attempt.machineId, outcome, from, to, phases, checkpoints },
      lostFrom: isLosing ? lossAfter(checkpoints.at(-1) ?? began, to) : undefined,
    };
  });
}

function phasesOf(events: readonly PastEvent[], from: number, to: number): Bar['phases'] {
  const changes = events
    .filter(({ type }) => type === 'PHASE_CHANGED')
    .map(({ at, data }) => ({ phase: phaseIn(data), from: Math.min(to, Math.max(from, Date.parse(at))) }));
  const all = [{ phase: undefined, from }, ...changes];
  return all.map((each, index) => ({ ...each, to: all[index + 1]?.from ?? to })).filter((each) => each.to > each.from);
}

const PHASES = ['DOWNLOADING', 'RUNNING', 'UPLOADING'] as const satisfies AttemptPhase[];

function phaseIn({ phase }: Record<string, unknown>): AttemptPhase | undefined {
  return PHASES.find((known) => known === phase);
}

function lossAfter(moment: number, end: number): number | undefined {
  return moment < end ? moment : undefined;
}

/** Half of what a time takes, with its day, in pixels. */
const HALF_A_TIME = 40;

/** Where a time is held that belongs to the place `x`: those at the rims stay within a picture of this width. All in pixels. */
export function anchorAt(x: number, width: number): 'start' | 'middle' | 'end' {
  if (x < HALF_A_TIME) return 'start';
  return x > width - HALF_A_TIME ? 'end' : 'middle';
}

const BEFORE = { start: 0, middle: HALF_A_TIME, end: 2 * HALF_A_TIME };

/** Of moments in their order, those whose times can be written below without one running into the one before. */
export function legible(moments: readonly Date[], x: (at: Date) => number, width: number): Date[] {
  let taken = -Infinity;
  return moments.filter((at) => {
    const begin = x(at) - BEFORE[anchorAt(x(at), width)];
    if (begin < taken) return false;
    taken = begin + 2 * HALF_A_TIME;
    return true;
  });
}
