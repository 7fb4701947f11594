import type { TestDatabase } from './database.ts';
import { differs, tell } from './told.ts';

interface Event {
  job_id: string;
  seq: number;
  type: string;
  attempt: number | null;
  data: Record<string, unknown>;
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
    const own = byJob.get(job.id) ?? [];
    const told = tell(own);
    const rows = new Map((attemptsOf.get(job.id) ?? []).map(({ number, outcome }) => [number, outcome]));
    const live = [...rows.values()].filter((outcome) => outcome === null).length;
    return [
      ...told.oddities,
      ...own.flatMap(({ seq }, index) => differs('seq', seq, index + 1)),
      ...differs('status', job.status, told.status),
      ...differs('attempt', job.attempt_number, told.attempt),
      ...differs('failures', job.num_failures, told.failures),
      ...differs('interruptions', job.num_interruptions, told.interruptions),
      ...differs('sync failures', job.num_sync_failures, told.syncFailures),
      ...differs('events', job.event_seq, own.length),
      ...differs('outcomes', sorted(rows), sorted(told.outcomes)),
      ...differs('living attempts', live, job.status === 'RUNNING' ? 1 : 0),
    ].map((fault) => `job ${job.id}: ${fault}`);
  });
  return faults.slice(0, 10);
}

function sorted(outcomes: Map<number, string | null>): [number, string | null][] {
  return [...outcomes].sort(([a], [b]) => a - b);
}
