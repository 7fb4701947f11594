import type { TestDatabase } from './database.ts';

interface Event {
  job_id: string;
  seq: number;
  type: string;
  attempt: number | null;
  data: Record<string, unknown>;
}

/** A job as its events tell of it. */
interface Told {
  status: string;
  attempt: number;
  failures: number;
  interruptions: number;
  syncFailures: number;
  /** Outcome by attempt number, null while it lives. */
  outcomes: Map<number, string | null>;
  faults: string[];
}

/**
 * Rules 1, 11 and 12, looked for in the rows themselves: each job's events, told again from the first, lead to exactly the
 * job and the attempts that are stored; they are numbered 1 to n; attempts only grow; at most one lives.
 * @returns what disagrees, a sentence each, at most ten
 */
export async function disagreements(database: TestDatabase): Promise<string[]> {
  const events = await database.query<Event>('select * from job_events order by job_id, seq');
  const jobs = await database.query<Record<string, unknown> & { id: string }>('select * from jobs');
  const attempts = await database.query<{ job_id: string; number: number; outcome: string | null }>(
    'select job_id, number, outcome from attempts',
  );
  const byJob = Map.groupBy(events, (event) => event.job_id);
  const attemptsOf = Map.groupBy(attempts, (attempt) => attempt.job_id);
  const faults = jobs.flatMap((job) => {
    const told = tell(byJob.get(job.id) ?? []);
    const rows = new Map((attemptsOf.get(job.id) ?? []).map(({ number, outcome }) => [number, outcome]));
    const live = [...rows.values()].filter((outcome) => outcome === null).length;
    return [
      ...told.faults,
      ...differs('status', job.status, told.status),
      ...differs('attempt', job.attempt_number, told.attempt),
      ...differs('failures', job.num_failures, told.failures),
      ...differs('interruptions', job.num_interruptions, told.interruptions),
      ...differs('sync failures', job.num_sync_failures, told.syncFailures),
      ...differs('events', job.event_seq, (byJob.get(job.id) ?? []).length),
      ...differs('outcomes', sorted(rows), sorted(told.outcomes)),
      ...differs('living attempts', live, job.status === 'RUNNING' ? 1 : 0),
    ].map((fault) => `job ${job.id}: ${fault}`);
  });
  return faults.slice(0, 10);
}

function tell(events: Event[]): Told {
  const told: Told = {
    status: 'NONE',
    attempt: 0,
    failures: 0,
    interruptions: 0,
    syncFailures: 0,
    outcomes: new Map(),
    faults: [],
  };
  events.forEach((event, index) => {
    if (event.seq !== index + 1) told.faults.push(`event ${index + 1} has seq ${event.seq}`);
    const expected = follow(told, event);
    if (!expected) told.faults.push(`${event.type} of attempt ${event.attempt} after ${told.status}/${told.attempt}`);
  });
  return told;
}

/** One event's effect. @returns whether it may follow what was told before */
function follow(told: Told, event: Event): boolean {
  const from = told.status;
  switch (event.type) {
    case 'SUBMITTED':
      told.status = 'PENDING';
      return from === 'NONE';
    case 'CLAIMED':
      told.status = 'RUNNING';
      told.attempt += 1;
      told.outcomes.set(told.attempt, null);
      return from === 'PENDING' && event.attempt === told.attempt;
    case 'ATTEMPT_RESUMED': {
      const wasLost = told.outcomes.get(told.attempt) === 'LOST';
      told.status = 'RUNNING';
      told.interruptions -= 1;
      told.outcomes.set(told.attempt, null);
      return from === 'PENDING' && event.attempt === told.attempt && wasLost;
    }
    case 'PHASE_CHANGED':
    case 'PROGRESSED':
      return from === 'RUNNING' && event.attempt === told.attempt;
    case 'ATTEMPT_ENDED':
      return end(told, event);
    case 'COMPLETED':
    case 'FAILED':
      return from === event.type;
    case 'CANCELED':
      told.status = 'CANCELED';
      return from === 'PENDING' || from === 'RUNNING';
    case 'RETRIED':
      Object.assign(told, { status: 'PENDING', failures: 0, interruptions: 0, syncFailures: 0 });
      return (from === 'FAILED' || from === 'CANCELED') && event.data.from === from;
    default:
      return false;
  }
}

function end(told: Told, event: Event): boolean {
  const from = told.status;
  const before = told.outcomes.get(told.attempt);
  const late = from === 'PENDING' && before === 'LOST';
  const outcome = String(event.data.outcome);
  if (late) told.interruptions -= 1;
  if (outcome === 'FAILED' || outcome === 'TIMED_OUT') told.failures += 1;
  if (outcome === 'SYNC_FAILED') told.syncFailures += 1;
  if (outcome === 'LOST' || outcome === 'RELEASED') told.interruptions += 1;
  told.outcomes.set(told.attempt, outcome);
  if (outcome !== 'CANCELED') told.status = String(event.data.status);
  return event.attempt === told.attempt && (late || (from === 'RUNNING' && before === null));
}

function differs(what: string, stored: unknown, told: unknown): string[] {
  const [a, b] = [JSON.stringify(stored), JSON.stringify(told)];
  return a === b ? [] : [`${what}: stored ${a}, told ${b}`];
}

function sorted(outcomes: Map<number, string | null>): [number, string | null][] {
  return [...outcomes].sort(([a], [b]) => a - b);
}
