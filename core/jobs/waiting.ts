import type { Job } from '../../db/entities/job.ts';
import { statement } from '../../db/statement.ts';
import { GONE_AFTER_SECONDS } from '../agents/alive.ts';
import type { Core } from '../core.ts';
import { BANS_TO_REALLOCATE } from './bans.ts';

interface Waiting {
  job_id: string;
  agents: number;
  banned: number;
  allowed: number;
  ahead: number;
  /** What the scaling rule last said; null where none acts. */
  wanted: number | null;
  max_replicas: number | null;
  answer_ok: boolean | null;
}

const whyStatement = statement<
  { job_ids: readonly string[]; seen_within_seconds: number; bans: number; most: number },
  Waiting
>('why-waiting');

/** A place further back than this is told as "more than": counting it for each job of a list would not be cheap. */
const MOST_AHEAD = 100;

/** Why each pending job waits, for a person, by job id: no agent, only banned machines, or its place in the queue. */
export async function whyWaiting(core: Core, jobs: readonly Job[]): Promise<Map<string, string>> {
  const pending = jobs.filter((job) => job.status === 'PENDING');
  if (pending.length === 0) return new Map();
  const rows = await whyStatement(core.em.fork(), {
    job_ids: pending.map((job) => job.id),
    seen_within_seconds: GONE_AFTER_SECONDS,
    bans: BANS_TO_REALLOCATE,
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

function reason(job: Job, waiting: Waiting): string {
  const { agents, allowed, ahead } = waiting;
  if (agents === 0) return `No agent of container group ${job.containerGroupId} is connected.`;
  if (allowed === 0) return `${barred(waiting)}${remedy(waiting)}`;
  if (ahead === 0) return 'Next in the queue: it waits for an agent to be free.';
  return `${ahead > MOST_AHEAD ? `More than ${MOST_AHEAD}` : ahead} ${ahead === 1 ? 'job is' : 'jobs are'} before it in the queue.`;
}

function barred({ agents, banned }: Waiting): string {
  const others = banned < agents ? `, or from ${BANS_TO_REALLOCATE} others` : '';
  return `Every connected machine (${agents}) is banned from this job${others}`;
}

/** Who has to do something now: the group's scaling rule, or a person, who is told what. */
function remedy({ wanted, max_replicas: most, answer_ok: isDone }: Waiting): string {
  if (wanted === null || most === null) return ': lift a ban, or connect another machine.';
  if (isDone === false) return ', and its scaling rule gets no other: see what the provider answers, or lift a ban.';
  if (wanted >= most) return `, and its scaling rule allows no more than ${most}: lift a ban, or raise the maximum.`;
  return ': its scaling rule asks for another one.';
}
