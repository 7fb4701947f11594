import type { EventRow, JobFacts } from '../facts.ts';
import type { Invariant } from './invariant.ts';

export const eventsContiguous: Invariant = {
  holds: 'the events of each job are numbered without a gap',
  breaches: ({ jobs }) =>
    jobs.flatMap(({ plan, events }) =>
      events
        .filter(({ seq }, index) => seq !== index + 1)
        .slice(0, 1)
        .map(({ seq }) => `${plan.name} has no event ${seq - 1}, or two`),
    ),
};

export const eventsTellTheRows: Invariant = {
  holds: 'the events tell the same story as the rows',
  breaches: ({ jobs }) => jobs.flatMap((job) => disagreements(job).map((fault) => `${job.plan.name}: ${fault}`)),
};

/** A job as its events tell of it. */
interface Told {
  status: string;
  attempt: number;
  failures: number;
  interruptions: number;
  syncFailures: number;
  /** Outcome by attempt, null while it lives. */
  outcomes: Map<number, string | null>;
  machines: Map<number, unknown>;
}

function disagreements({ row, attempts, events }: JobFacts): string[] {
  const told: Told = {
    ...{ status: 'NONE', attempt: 0, failures: 0, interruptions: 0, syncFailures: 0 },
    outcomes: new Map(),
    machines: new Map(),
  };
  const oddities = events.flatMap((event) => {
    const before = `${told.status}, attempt ${told.attempt}`;
    return follow(told, event) ? [] : [`${event.type} of attempt ${String(event.attempt)} while it was ${before}`];
  });
  return [
    ...oddities,
    ...differs('status', row.status, told.status),
    ...differs('attempt', row.attemptNumber, told.attempt),
    ...differs('failures', row.numFailures, told.failures),
    ...differs('interruptions', row.numInterruptions, told.interruptions),
    ...differs('sync failures', row.numSyncFailures, told.syncFailures),
    ...attempts.flatMap(({ number, outcome, machineId }) => [
      ...differs(`outcome of attempt ${number}`, outcome, told.outcomes.get(number)),
      ...differs(`machine of attempt ${number}`, machineId, told.machines.get(number)),
    ]),
  ];
}

/** One event's effect. @returns whether it may follow what was told before */
function follow(told: Told, { type, attempt, data }: EventRow): boolean {
  const { status } = told;
  switch (type) {
    case 'SUBMITTED':
      told.status = 'PENDING';
      return status === 'NONE';
    case 'CLAIMED':
      told.status = 'RUNNING';
      told.attempt += 1;
      told.outcomes.set(told.attempt, null);
      told.machines.set(told.attempt, data['machineId']);
      return status === 'PENDING' && attempt === told.attempt;
    case 'ATTEMPT_RESUMED': {
      const wasLost = told.outcomes.get(told.attempt) === 'LOST';
      told.status = 'RUNNING';
      told.interruptions -= 1;
      told.outcomes.set(told.attempt, null);
      return status === 'PENDING' && attempt === told.attempt && wasLost;
    }
    case 'PHASE_CHANGED':
    case 'PROGRESSED':
    case 'CHECKPOINT_SAVED':
      return status === 'RUNNING' && attempt === told.attempt;
    case 'ATTEMPT_ENDED':
      return end(told, attempt, data);
    case 'COMPLETED':
    case 'FAILED':
      return status === type;
    case 'CANCELED':
      told.status = 'CANCELED';
      return status === 'PENDING' || status === 'RUNNING';
    case 'BAN_LIFTED':
    case 'RETRIED':
    case 'PURGED':
      // Nobody here does that.
      return false;
  }
}

function end(told: Told, attempt: number | null, data: Record<string, unknown>): boolean {
  const { status } = told;
  const before = told.outcomes.get(told.attempt);
  // An attempt that was taken for lost may say later what really became of it, as long as nobody has followed it.
  const isLate = status === 'PENDING' && before === 'LOST';
  const outcome = String(data['outcome']);
  if (isLate) told.interruptions -= 1;
  if (outcome === 'FAILED' || outcome === 'TIMED_OUT') told.failures += 1;
  if (outcome === 'SYNC_FAILED') told.syncFailures += 1;
  if (outcome === 'LOST' || outcome === 'RELEASED') told.interruptions += 1;
  told.outcomes.set(told.attempt, outcome);
  if (outcome !== 'CANCELED') told.status = String(data['status']);
  return attempt === told.attempt && (isLate || (status === 'RUNNING' && before === null));
}

function differs(what: string, stored: unknown, told: unknown): string[] {
  return stored === told ? [] : [`${what}: stored ${String(stored)}, told ${String(told)}`];
}
