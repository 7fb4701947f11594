import type { Facts, JobFacts } from '../facts.ts';
import type { Invariant } from './invariant.ts';

export const everyJobEnded: Invariant = {
  holds: 'every job ended, the way it should',
  breaches: ({ jobs }) =>
    jobs.flatMap(({ plan, row, cancel }) => {
      const expected = expectedEnd({ plan, cancel });
      if (expected.includes(row.status)) return [];
      return [`${plan.name} is ${row.status}, expected ${expected.join(' or ')}: ${row.statusReason ?? 'no reason'}`];
    }),
};

function expectedEnd({ plan, cancel }: Pick<JobFacts, 'plan' | 'cancel'>): JobFacts['row']['status'][] {
  const byItself = plan.failing !== undefined && plan.failing.times === undefined ? 'FAILED' : 'COMPLETED';
  switch (cancel) {
    case 'CANCELED':
      return ['CANCELED'];
    case 'CONFLICT':
    case undefined:
      return [byItself];
  }
}

export const completedOnce: Invariant = {
  holds: 'what completed did so exactly once, and never changed after',
  breaches: ({ jobs }) =>
    jobs.flatMap(({ plan, row, attempts, events, deliveries }) => {
      const count = row.status === 'COMPLETED' ? 1 : 0;
      const counts = {
        'COMPLETED events': events.filter(({ type }) => type === 'COMPLETED').length,
        'attempts that completed': attempts.filter(({ outcome }) => outcome === 'COMPLETED').length,
        'times of completion': row.completedAt === null ? 0 : 1,
        ...(plan.webhook
          ? { 'webhooks of completion': deliveries.filter(({ status }) => status === 'completed').length }
          : {}),
      };
      const last = events.at(-1);
      return [
        ...Object.entries(counts)
          .filter(([, found]) => found !== count)
          .map(([what, found]) => `${plan.name} is ${row.status} and has ${found} ${what}`),
        ...(count === 1 && last?.type !== 'COMPLETED'
          ? [`${plan.name} completed, then came ${String(last?.type)}`]
          : []),
      ];
    }),
};

export const failuresAreFailures: Invariant = {
  holds: 'no interruption was counted as a failure',
  breaches: ({ jobs }) =>
    jobs.flatMap((job) => {
      const { plan, row, attempts } = job;
      const failed = attempts.filter(({ outcome }) => outcome === 'FAILED' || outcome === 'TIMED_OUT');
      const meant = new Set(job.record.filter(({ kind }) => kind === 'FAILURE').map(({ attempt }) => attempt));
      const interruptions = attempts.filter(({ outcome }) => outcome === 'LOST' || outcome === 'RELEASED').length;
      return [
        ...failed
          .filter(({ number }) => !meant.has(number))
          .map(
            ({ number, outcome, reason }) => `${plan.name}, attempt ${number} is ${String(outcome)}: ${reason ?? ''}`,
          ),
        ...attempts
          .filter(({ number, outcome }) => meant.has(number) && (outcome === 'COMPLETED' || outcome === 'TIMED_OUT'))
          .map(({ number, outcome }) => `${plan.name}, attempt ${number} failed on purpose and is ${String(outcome)}`),
        ...differs(`${plan.name}: failures`, row.numFailures, failed.length),
        ...differs(`${plan.name}: interruptions`, row.numInterruptions, interruptions),
      ];
    }),
};

export const cancelsHold: Invariant = {
  holds: 'a cancel that was confirmed held, and one that was refused had no effect',
  breaches: ({ jobs }) =>
    jobs.flatMap(({ plan, row, cancel, attempts }) => {
      const canceled = row.status === 'CANCELED';
      if (cancel === undefined && canceled) return [`${plan.name} is CANCELED, and nobody had asked for it`];
      if (cancel !== undefined && (cancel === 'CANCELED') !== canceled) {
        return [`${plan.name} is ${row.status}, and the answer to its cancel was ${cancel}`];
      }
      const isBoth = canceled && attempts.some(({ outcome }) => outcome === 'COMPLETED');
      return isBoth ? [`${plan.name} is CANCELED, and one of its attempts COMPLETED`] : [];
    }),
};

export const reportsAreFenced: Invariant = {
  holds: 'reports for attempts that were over changed nothing',
  breaches: ({ reports }: Facts) =>
    reports
      .filter(({ expected, answer }) => answer !== expected)
      .map(
        ({ jobId, attempt, verb, expected, answer }) =>
          `${verb} of attempt ${attempt} of ${jobId} was answered ${answer}, expected ${expected}`,
      ),
};

export const nobodyDied: Invariant = {
  holds: 'no process ended by itself',
  breaches: ({ deaths }) => deaths,
};

function differs(what: string, stored: number, counted: number): string[] {
  return stored === counted ? [] : [`${what}: the job says ${stored}, its attempts ${counted}`];
}
