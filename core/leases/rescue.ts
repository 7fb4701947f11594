import { Job } from '../../db/entities/job.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { settleJob, type EndedAttempt } from './finish.ts';
import { tellEnding } from './tell.ts';

const expireStatement = statement<
  { batch: number; pause_seconds: number | null },
  {
    job_id: string;
    number: number;
    machine_id: string;
    agent_id: string | null;
    resumed: boolean;
    reason: string;
    started_at: string;
    ended_at: string;
  }
>('expire-leases');

const beginStatement = statement<{ pause_seconds: number; grace_seconds: number }, { paused: boolean; graced: number }>(
  'begin-sweep',
);

/** Servers sweep about once a second: when none has for so long, there was an outage of all, or of the database. */
const PAUSE_SECONDS = 3;

/**
 * One turn of the periodic sweep: gives a grace to what an outage has made expire, and rescues the rest.
 * @returns how many leases got a grace, and how many had run out
 */
export async function sweepLeases(core: Core, graceSeconds: number): Promise<{ graced: number; expired: number }> {
  const swept = { graced: 0, expired: 0 };
  for (;;) {
    const parameters = { pause_seconds: PAUSE_SECONDS, grace_seconds: graceSeconds };
    const [begun] = await beginStatement(core.em.fork(), parameters);
    // Anew before each: many take longer together than what is taken for an outage.
    const found = await rescueBatch(core, PAUSE_SECONDS);
    swept.graced += begun?.graced ?? 0;
    swept.expired += found;
    if (found < BATCH) return swept;
  }
}

/** How many leases one transaction takes: small enough that no claim waits long for a row of it. */
const BATCH = 100;

/**
 * Rule 7: makes the jobs of expired leases pending again (or failed, where `max_interruptions` is spent), without asking whether anybody could
 * have renewed them. Any number of servers may do this at once.
 * @returns how many leases had run out
 */
export async function rescueExpired(core: Core): Promise<{ expired: number }> {
  let expired = 0;
  for (;;) {
    const found = await rescueBatch(core, null);
    expired += found;
    if (found < BATCH) return { expired };
  }
}

async function rescueBatch(core: Core, pauseSeconds: number | null): Promise<number> {
  const em = core.em.fork();
  const told: { job: Job; attempt: EndedAttempt }[] = [];
  const found = await em.transactional(async (em) => {
    const ended = await expireStatement(em, { batch: BATCH, pause_seconds: pauseSeconds });
    if (ended.length === 0) return 0;
    const jobs = await em.find(Job, { id: { $in: ended.map((row) => row.job_id) } });
    const byId = new Map(jobs.map((job) => [job.id, job]));
    for (const row of ended) {
      const job = byId.get(row.job_id);
      if (job === undefined) throw new Error(`Job ${row.job_id} vanished while its row was held`);
      const attempt: EndedAttempt = {
        outcome: 'LOST',
        reason: row.reason,
        late: false,
        resumed: row.resumed,
        attempt: row.number,
        machineId: row.machine_id,
        agentId: row.agent_id,
        startedAt: new Date(row.started_at),
        endedAt: new Date(row.ended_at),
      };
      await settleJob(em, job, attempt);
      told.push({ job, attempt });
    }
    return ended.length;
  });
  if (found > 0) core.announce();
  for (const { job, attempt } of told) tellEnding(core.traces, job, attempt);
  return found;
}
