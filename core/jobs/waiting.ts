import type { Job } from '../../db/entities/job.ts';
import { statement } from '../../db/statement.ts';
import { GONE_AFTER_SECONDS } from '../agents/alive.ts';
import type { Core } from '../core.ts';

interface Waiting {
  job_id: string;
  agents: number;
  allowed: number;
  ahead: number;
}

const whyStatement = statement<{ job_ids: readonly string[]; seen_within_seconds: number; most: number }, Waiting>(
  'why-waiting',
);

/** A place further back than this is told as "more than": counting it for each job of a list would not be cheap. */
const MOST_AHEAD = 100;

/** Why each pending job waits, for a person, by job id: no agent, only banned machines, or its place in the queue. */
export async function whyWaiting(core: Core, jobs: readonly Job[]): Promise<Map<string, string>> {
  const pending = jobs.filter((job) => job.status === 'PENDING');
  if (pending.length === 0) return new Map();
  const rows = await whyStatement(core.em.fork(), {
    job_ids: pending.map((job) => job.id),
    seen_within_seconds: GONE_AFTER_SECONDS,
    most: MOST_AHEAD,
  });
  const byId = new Map(rows.map((row) => [row.job_id, row]));
  return new Map(pending.flatMap((job) => explained(job, byId.get(job.id))));
}

function explained(job: Job, waiting: Waiting | undefined): [string, string][] {
  if (waiting === undefined) return [];
  const before = job.statusReason === null ? '' : ` ${job.statusReason}`;
  return [[job.id, `${reason(job, waiting)}${before}`]];
}

function reason(job: Job, { agents, allowed, ahead }: Waiting): string {
  if (agents === 0) return `No agent of container group ${job.containerGroupId} is connected.`;
  if (allowed === 0) return `Every connected machine (${agents}) is banned from this job.`;
  if (ahead === 0) return 'Next in the queue: it waits for an agent to be free.';
  return `${ahead > MOST_AHEAD ? `More than ${MOST_AHEAD}` : ahead} ${ahead === 1 ? 'job is' : 'jobs are'} before it in the queue.`;
}
