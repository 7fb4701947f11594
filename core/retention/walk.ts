import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';

/** Jobs that are looked at together. */
const JOBS = 500;
/** What a walk has passed over, because somebody held it or it was not ripe, is looked at again so much later. */
const ANEW_MS = 24 * 60 * 60 * 1_000;

const endedStatement = statement<
  { days: number; ended_at: string; position: string; jobs: number },
  { job_id: string; ended_at: string; position: string }
>('ended-jobs');
const purgedStatement = statement<{ days: number; jobs: number }, { job_id: string }>('purged-jobs');

/** Goes over the jobs that have ended, in the order of their ends, and looks at each once a day. */
export interface EndedWalk {
  /** Hands out the ids of those that have ended longer ago than so many days, some at a time, until there are no more. */
  each(days: number, work: (jobIds: string[]) => Promise<void>): Promise<void>;
}

export function createEndedWalk(core: Core): EndedWalk {
  const beginning = { ended_at: '-infinity', position: '0' };
  let place = beginning;
  let began = performance.now();
  return {
    async each(days, work) {
      if (performance.now() - began > ANEW_MS) {
        place = beginning;
        began = performance.now();
      }
      for (;;) {
        const rows = await endedStatement(core.em.fork(), { days, ...place, jobs: JOBS });
        const last = rows.at(-1);
        if (last === undefined) return;
        await work(rows.map((row) => row.job_id));
        // Only now: what was broken off is looked at again.
        place = { ended_at: last.ended_at, position: last.position };
      }
    },
  };
}

/** Some of the jobs that were removed longer ago than so many days, and of which events are left. */
export async function purgedJobs(core: Core, days: number): Promise<string[]> {
  const rows = await purgedStatement(core.em.fork(), { days, jobs: JOBS });
  return rows.map((row) => row.job_id);
}
