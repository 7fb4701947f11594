import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isTerminal,
  MAX_SYNC_FAILURES,
  mayFollow,
  settle,
  transitions,
  type Budgets,
  type Verb,
} from '../../../core/jobs/states.ts';
import { jobStatuses, type JobStatus } from '../../../db/entities/job.ts';

const verbs = Object.keys(transitions) as Verb[];
const endingOutcomes = ['COMPLETED', 'FAILED', 'SYNC_FAILED', 'TIMED_OUT', 'LOST', 'RELEASED'] as const;

const budget = fc.record({
  maxFailures: fc.integer({ min: 1, max: 6 }),
  maxInterruptions: fc.option(fc.integer({ min: 0, max: 6 })),
});
const someEndings = fc.array(fc.constantFrom(...endingOutcomes), { maxLength: 40 });

function fresh(budgets: Pick<Budgets, 'maxFailures' | 'maxInterruptions'>): Budgets {
  return { ...budgets, numFailures: 0, numInterruptions: 0, numSyncFailures: 0 };
}

/** Attempts one after the other, until the job has ended: what is counted after each. */
function live(budgets: Budgets, outcomes: readonly (typeof endingOutcomes)[number][]) {
  let job = budgets;
  const history: { outcome: (typeof endingOutcomes)[number]; settled: ReturnType<typeof settle> }[] = [];
  for (const outcome of outcomes) {
    const settled = settle(job, { outcome, reason: 'a reason', late: false });
    history.push({ outcome, settled });
    job = { ...job, ...settled };
    if (isTerminal(settled.status)) break;
  }
  return { job, history };
}

describe('the table of transitions', () => {
  test('Rule 8: a completed job is left by no verb, a failed or canceled one by retry alone', () => {
    const leaving = (status: JobStatus): Verb[] => verbs.filter((verb) => mayFollow(verb, status));
    expect(leaving('COMPLETED')).toEqual([]);
    expect(leaving('FAILED')).toEqual(['retry']);
    expect(leaving('CANCELED')).toEqual(['retry']);
  });

  test('from every status that is not terminal each terminal one can be reached', () => {
    const next = (status: JobStatus): JobStatus[] =>
      verbs.flatMap((verb) => {
        const row: Partial<Record<JobStatus, readonly JobStatus[]>> = transitions[verb];
        return row[status] ?? [];
      });
    for (const start of jobStatuses.filter((status) => !isTerminal(status))) {
      const reached = new Set<JobStatus>([start]);
      for (const status of reached) next(status).forEach((to) => reached.add(to));
      expect([...reached].filter(isTerminal).sort()).toEqual(['CANCELED', 'COMPLETED', 'FAILED']);
    }
  });

  test('it cannot be changed while the program runs', () => {
    expect(Object.isFrozen(transitions)).toBe(true);
  });
});

describe('settling', () => {
  test('Rule 4: no sequence of endings overspends a budget, and a spent one ends the job', () => {
    fc.assert(
      fc.property(budget, someEndings, (budgets, outcomes) => {
        const { job, history } = live(fresh(budgets), outcomes);
        expect(job.numFailures).toBeLessThanOrEqual(budgets.maxFailures);
        expect(job.numSyncFailures).toBeLessThanOrEqual(MAX_SYNC_FAILURES);
        const allowed = budgets.maxInterruptions ?? Infinity;
        expect(job.numInterruptions).toBeLessThanOrEqual(allowed + 1);
        const spent =
          job.numFailures === budgets.maxFailures ||
          job.numSyncFailures === MAX_SYNC_FAILURES ||
          job.numInterruptions > allowed;
        expect(spent).toBe(history.at(-1)?.settled.status === 'FAILED');
      }),
    );
  });

  test('Rule 4: the counters match the history', () => {
    fc.assert(
      fc.property(budget, someEndings, (budgets, outcomes) => {
        const { job, history } = live(fresh(budgets), outcomes);
        const count = (...of: string[]): number => history.filter(({ outcome }) => of.includes(outcome)).length;
        expect(job.numFailures).toBe(count('FAILED', 'TIMED_OUT'));
        expect(job.numSyncFailures).toBe(count('SYNC_FAILED'));
        expect(job.numInterruptions).toBe(count('LOST', 'RELEASED'));
      }),
    );
  });

  test('every settlement is one that the table of transitions allows', () => {
    fc.assert(
      fc.property(budget, someEndings, (budgets, outcomes) => {
        for (const { settled } of live(fresh(budgets), outcomes).history) {
          expect(transitions.end.RUNNING).toContain(settled.status);
        }
      }),
    );
  });

  test('Rule 3: a late ending counts as if the attempt had never been lost', () => {
    fc.assert(
      fc.property(budget, someEndings, fc.constantFrom(...endingOutcomes), (budgets, outcomes, outcome) => {
        const { job } = live(fresh(budgets), outcomes);
        const lost = settle(job, { outcome: 'LOST', reason: null, late: false });
        fc.pre(lost.resumable);
        const late = settle({ ...job, ...lost }, { outcome, reason: 'a reason', late: true });
        expect(late).toEqual(settle(job, { outcome, reason: 'a reason', late: false }));
      }),
    );
  });

  test('Rule 5: only a failure of the command bans, and only a lost attempt may come back', () => {
    for (const outcome of endingOutcomes) {
      const settled = settle(fresh({ maxFailures: 3, maxInterruptions: null }), { outcome, reason: null, late: false });
      expect([outcome, settled.bans]).toEqual([outcome, outcome === 'FAILED' || outcome === 'TIMED_OUT']);
      expect([outcome, settled.resumable]).toEqual([outcome, outcome === 'LOST']);
    }
  });

  test('a job whose interruptions are spent takes nobody back', () => {
    const job = fresh({ maxFailures: 3, maxInterruptions: 0 });
    expect(settle(job, { outcome: 'LOST', reason: null, late: false })).toMatchObject({
      status: 'FAILED',
      resumable: false,
    });
  });

  test('the reason tells what was spent, and the last cause', () => {
    const job = { ...fresh({ maxFailures: 3, maxInterruptions: null }), numFailures: 2 };
    const settled = settle(job, { outcome: 'FAILED', reason: 'exit code 7', late: false });
    expect(settled.statusReason).toContain('failed 3 times');
    expect(settled.statusReason).toContain('exit code 7');
  });
});
