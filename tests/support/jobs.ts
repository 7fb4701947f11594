import type { Viewer } from '../../core/accounts/keys.ts';
import type { Core } from '../../core/core.ts';
import { submitJob } from '../../core/jobs/submit.ts';
import { claimJob } from '../../core/leases/claim.ts';
import type { Ending } from '../../core/leases/finish.ts';
import type { LeaseRef } from '../../core/leases/terms.ts';
import type { Job } from '../../db/entities/job.ts';
import { spec } from './core.ts';
import type { TestDatabase } from './database.ts';

/** How an attempt may end, as an agent reports it. */
export const endings = {
  completed: { outcome: 'COMPLETED', reason: null },
  failed: { outcome: 'FAILED', reason: 'exit code 1', exitCode: 1 },
  timedOut: { outcome: 'TIMED_OUT', reason: 'longer than 5 s', signal: 'SIGKILL' },
  syncFailed: { outcome: 'SYNC_FAILED', reason: 'the bucket does not answer' },
  released: { outcome: 'RELEASED', reason: 'the agent was told to stop' },
} as const satisfies Record<string, Ending>;

export async function submit(core: Core, viewer: Viewer, part: object = {}): Promise<Job> {
  return submitJob(core, viewer, spec(part));
}

/** The next job for a machine; undefined when there is none for it. */
export async function tryClaim(core: Core, viewer: Viewer, machineId: string, group = 'group', agentId?: string) {
  return claimJob(core, viewer, { machineId, containerGroupId: group, agentId: agentId ?? null });
}

/** The next job for a machine, which there must be. */
export async function claim(
  core: Core,
  viewer: Viewer,
  machineId = 'machine',
  group = 'group',
  agentId?: string,
): Promise<Job & { lease: LeaseRef }> {
  const job = await tryClaim(core, viewer, machineId, group, agentId);
  if (job === undefined) throw new Error(`Expected a job for ${machineId}, got none`);
  return Object.assign(job, { lease: { jobId: job.id, attempt: job.attemptNumber } });
}

/** The leases of so many jobs, each submitted for it. */
export async function claimMany(core: Core, viewer: Viewer, count: number): Promise<LeaseRef[]> {
  const leases: LeaseRef[] = [];
  for (let n = 0; n < count; n++) {
    await submit(core, viewer);
    leases.push((await claim(core, viewer)).lease);
  }
  return leases;
}

/** Makes so much time pass for live leases that they have run out; nobody has noticed yet. */
export async function runOut(database: TestDatabase, jobId?: string): Promise<void> {
  await database.query(
    `update attempts set lease_expires_at = clock_timestamp() - interval '1 second'
     where outcome is null and ($1::uuid is null or job_id = $1)`,
    [jobId ?? null],
  );
}

/** Every row of every table, for "nothing has changed". */
export async function allRows(database: TestDatabase): Promise<Record<string, unknown[]>> {
  const tables = await database.query<{ name: string }>(
    `select c.relname as name from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1`,
  );
  const rows: Record<string, unknown[]> = {};
  for (const { name } of tables) {
    const found = await database.query<{ row: unknown }>(
      `select to_jsonb(t) as row from "${name}" t order by to_jsonb(t)::text`,
    );
    rows[name] = found.map(({ row }) => row);
  }
  return rows;
}

/** One job's row as the database has it. */
export async function rowOf(database: TestDatabase, jobId: string): Promise<Record<string, unknown>> {
  const [row] = await database.query('select * from jobs where id = $1', [jobId]);
  if (row === undefined) throw new Error(`Expected a row of job ${jobId}, got none`);
  return row;
}

export async function eventTypes(database: TestDatabase, jobId: string): Promise<string[]> {
  const rows = await database.query<{ type: string }>('select type from job_events where job_id = $1 order by seq', [
    jobId,
  ]);
  return rows.map((row) => row.type);
}

/** What became of each of several things that were tried at once: `done`, or the code of the refusal. */
export async function outcomes(tries: Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(tries);
  return settled.map((result) => {
    if (result.status === 'fulfilled') return 'done';
    const reason: unknown = result.reason;
    if (reason instanceof Error && 'code' in reason && typeof reason.code === 'string') return reason.code;
    throw reason;
  });
}
