import type { AttemptRow, EventRow, Facts, JobFacts, Write } from '../facts.ts';
import { CLOCK_MS, type Invariant } from './invariant.ts';

export const oneOwner: Invariant = {
  holds: 'at most one attempt of a job lived at any time',
  breaches: ({ jobs }) => jobs.flatMap((job) => [...overlapsByEvents(job), ...overlapsByTime(job)]),
};

export const numbersContiguous: Invariant = {
  holds: 'attempts are numbered 1, 2, 3 …',
  breaches: ({ jobs }) =>
    jobs.flatMap(({ plan, row, attempts }) => {
      const numbers = attempts.map(({ number }) => number);
      const expected = Array.from({ length: row.attemptNumber }, (_, index) => index + 1);
      return String(numbers) === String(expected)
        ? []
        : [`${plan.name} has attempts ${String(numbers)}, and says that its newest is ${row.attemptNumber}`];
    }),
};

/** The order of events is the order of commits, so this needs no clock. */
function overlapsByEvents({ plan, events }: JobFacts): string[] {
  let live: number | undefined;
  return events.flatMap(({ type, attempt, seq }) => {
    if (type === 'ATTEMPT_ENDED') live = undefined;
    if (type !== 'CLAIMED' && type !== 'ATTEMPT_RESUMED') return [];
    const other = live;
    live = attempt ?? undefined;
    return other === undefined ? [] : [`${plan.name}: event ${seq}, ${type} ${String(attempt)}, while ${other} lives`];
  });
}

/** A claim's time is taken just before it looks, an ending's just before it commits. */
const COMMIT_MS = 100;

function overlapsByTime({ plan, attempts }: JobFacts): string[] {
  return attempts.slice(1).flatMap(({ number, startedAt }, index) => {
    const before = attempts[index];
    if (before?.endedAt != null && before.endedAt <= startedAt + COMMIT_MS) return [];
    return [
      `${plan.name}: attempt ${number} began at ${startedAt}, the one before ended at ${String(before?.endedAt)}`,
    ];
  });
}

/**
 * A write counts as the newest attempt's that its agent had claimed by then. It is too late when the store was asked only after
 * the next attempt's claim: then it may have overwritten what that one wrote or read.
 */
export const writesAreFenced: Invariant = {
  holds: 'no attempt wrote to the bucket in the time of another',
  breaches: (facts) => {
    const writes = Map.groupBy(
      facts.writes.filter(({ done }) => done),
      ({ key }) => key.split('/')[0] ?? '',
    );
    const agentIds = new Map(facts.agents.map(({ accessKey, agentId }) => [accessKey, agentId]));
    return facts.jobs.flatMap((job) =>
      (writes.get(job.plan.name) ?? []).flatMap((write) => trespass(job, write, agentIds.get(write.accessKey))),
    );
  },
};

function trespass(job: JobFacts, write: Write, agentId: string | undefined): string[] {
  const what = `${write.accessKey} ${write.kind} ${write.key}`;
  const claims = job.events.filter(({ type }) => type === 'CLAIMED');
  const own = claims.findLast((claim) => claim.data['agentId'] === agentId && claim.at <= write.answeredAt + CLOCK_MS);
  if (own === undefined) return [`${what}, without ever having claimed the job`];
  const late = (after: EventRow) => write.sentAt - after.at;
  const successor = claims.find(({ attempt }) => attempt === (own.attempt ?? 0) + 1);
  if (successor !== undefined && late(successor) > CLOCK_MS) {
    const begun = `begun ${successor.at - write.begunAt} ms before, to a second`;
    return [`${what} as attempt ${String(own.attempt)}, ${late(successor)} ms after the claim of the next (${begun})`];
  }
  const completion = job.events.find(({ type }) => type === 'COMPLETED');
  if (completion !== undefined && late(completion) > CLOCK_MS) {
    return [`${what} as attempt ${String(own.attempt)}, ${late(completion)} ms after the job had completed`];
  }
  return [];
}

/** For the report: how many writes came after their job was canceled. They harm nobody, and should be few. */
export function writesAfterCancel({ jobs, writes }: Facts): number {
  const canceledAt = new Map(
    jobs.map(({ plan, events }) => [plan.name, events.find(({ type }) => type === 'CANCELED')?.at ?? Infinity]),
  );
  return writes.filter(
    ({ key, sentAt, done }) => done && sentAt > (canceledAt.get(key.split('/')[0] ?? '') ?? Infinity),
  ).length;
}

export function isLiveAt({ startedAt, endedAt }: AttemptRow, at: number): boolean {
  return startedAt <= at && (endedAt === null || endedAt > at);
}
