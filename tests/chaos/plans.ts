import type { Random } from './random.ts';

/** One job of the run: what it does is known from the beginning, whoever interrupts it. */
export interface JobPlan {
  /** Also what the keys of its objects begin with. */
  name: string;
  steps: number;
  stepMs: number;
  checkpointEvery: number;
  checkpointBytes: number;
  compression: boolean;
  heartbeatInterval: number;
  webhook: boolean;
  /** Ends itself badly on purpose, so many times, in this step. Undefined times: every time. */
  failing: { step: number; times: number | undefined } | undefined;
  maxFailures: number;
  /** What the command does when it is told to stop. */
  onTerm: 'SAVES' | 'IGNORES' | 'DIES';
  cancel: CancelMoment | undefined;
}

/** `CLAIMED`: when its attempt begins to look at the store. `FINISHED`: when its results are on their way. */
export type CancelMoment = { when: 'LATER'; afterMs: number } | { when: 'CLAIMED' | 'FINISHED' };

/** The `index`-th job, the same for the same seed. */
export function planJob(random: Random, index: number): JobPlan {
  const own = random.fork(`job ${index}`);
  // A third lives longer than any lease, so that a zombie still has something to write when it wakes up.
  const isLong = own.chance(0.35);
  const steps = isLong ? own.integer(150, 250) : own.integer(15, 60);
  const size = own.pick(SIZES);
  return {
    name: `job-${String(index).padStart(4, '0')}`,
    steps,
    stepMs: own.integer(isLong ? 60 : 20, 100),
    checkpointEvery: size === HUGE ? 12 : own.integer(2, 8),
    checkpointBytes: own.integer(...size),
    compression: own.chance(0.2),
    heartbeatInterval: own.pick([2, 3, 5]),
    webhook: own.chance(0.5),
    ...failing(own, steps),
    onTerm: own.pick(['SAVES', 'IGNORES', 'DIES']),
    cancel: own.chance(0.12) ? cancelMoment(own) : undefined,
  };
}

type Range = readonly [number, number];
const TINY: Range = [100, 20_000];
const LARGE: Range = [1_000_000, 3_000_000];
/** Above what is sent in one request. */
const HUGE: Range = [9_000_000, 9_500_000];
const SIZES: readonly [Range, ...Range[]] = [...repeat(TINY, 14), ...repeat(LARGE, 5), HUGE] as unknown as [Range];

function repeat(range: Range, times: number): Range[] {
  return Array.from({ length: times }, () => range);
}

/** A budget that one of them spends, most leave over. */
function failing(random: Random, steps: number): Pick<JobPlan, 'failing' | 'maxFailures'> {
  const step = random.integer(1, steps);
  const kind = random.next();
  if (kind < 0.03) return { failing: { step, times: undefined }, maxFailures: 2 };
  if (kind < 0.13) return { failing: { step, times: random.integer(1, 2) }, maxFailures: 3 };
  return { failing: undefined, maxFailures: 1 };
}

function cancelMoment(random: Random): CancelMoment {
  const when = random.pick<CancelMoment['when']>(['LATER', 'CLAIMED', 'FINISHED']);
  return when === 'LATER' ? { when, afterMs: random.integer(0, 6_000) } : { when };
}
