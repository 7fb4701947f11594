import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import type { LeaseRef } from '../../../core/leases/terms.ts';
import { appendLogs } from '../../../core/logs/append.ts';
import { KEPT_FOR_MS, keepPlans } from '../../../db/kept-plans.ts';
import { positional } from '../../../db/statement.ts';
import { openTestCore, spec } from '../../support/core.ts';
import type { TestDatabase } from '../../support/database.ts';
import { claim } from '../../support/jobs.ts';

/**
 * What is written under a lease costs the same however many leases there are, also where PostgreSQL knows nothing of the tables, because
 * they are new or restored, and where it made its plan when they were nearly empty. It then takes any index for as good as any other, and
 * those of living attempts, or of an account, hold the whole fleet.
 */
const LIVE = 400;
/** By the primary key, with the events that are written, it is a few dozen. */
const MOST_BLOCKS = 100;
const MANY = 10;

const moved = { bytes_downloaded: '0', bytes_uploaded: '0', files_downloaded: 0, files_uploaded: 0 };
const ending = { outcome: 'FAILED', ended_by: 'AGENT', reason: 'exit code 1', exit_code: 1, signal: null };

const ofOneLease: [statement: string, parameters: Record<string, unknown>][] = [
  ['save-checkpoint', { files: 2, bytes: '20', keys: ['checkpoint'] }],
  ['end-attempt', { ...ending, ...moved }],
  ['resume-attempt', { sync_lag_seconds: 0 }],
  ['store-gpu-use', { gpu_use: '[]', age_seconds: 1, at_most_every_seconds: 5 }],
];

const ofManyLeases: [statement: string, said: Record<string, unknown>][] = [
  ['renew-leases', { ...moved, sync_lag_seconds: 0, seen_every_seconds: 10 }],
  ['report-attempts', { phase: 'UPLOADING', progress: { fraction: 0.5 }, transfer: null, says_warning: false }],
  ['append-logs', { offset: 100, content: [['o', 0, 'a line']], half: 524_288 }],
];

const KEPT = ['append-logs', 'renew-leases', 'report-attempts', 'save-checkpoint'];

interface Fence {
  account_id: string;
  job_id: string;
  attempt: number;
}

describe.for([
  ['never looked at', false],
  ['looked at when they held one job', true],
] as const)('of tables that PostgreSQL has %s', ([, isAnalyzed]) => {
  const fences: Fence[] = [];
  const closers: (() => Promise<void>)[] = [];
  let client: pg.PoolClient;

  beforeAll(async () => {
    const { core, database, account, close } = await openTestCore();
    closers.push(close);
    const { viewer } = await account();
    const submit = (count: number) => submitJobs(core, viewer, Array<ReturnType<typeof spec>>(count).fill(spec()));
    const take = async (): Promise<LeaseRef> => {
      const { lease } = await claim(core, viewer, `machine-${fences.length}`);
      fences.push({ account_id: viewer.accountId, job_id: lease.jobId, attempt: lease.attempt });
      return lease;
    };
    await submit(1);
    const first = await take();
    await heartbeat(core, viewer, first, {
      phase: 'RUNNING',
      checkpoints: { files: 1, bytes: '10', newestKeys: ['a'] },
    });
    const lines = [{ stream: 'STDOUT', afterMillis: 0, text: 'a line' } as const];
    await appendLogs(core, viewer, first, { offset: 0, lines });
    if (isAnalyzed) await database.query('analyze');
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    // The database is dropped before the last connection is gone.
    pool.on('error', () => undefined);
    keepPlans(pool);
    closers.unshift(() => pool.end());
    client = await pool.connect();
    for (const [statement, parameters] of ofOneLease) await plan(client, statement, { ...fences[0], ...parameters });
    for (const [statement, said] of ofManyLeases) await plan(client, statement, saidOf(fences, said));
    await submit(2 * LIVE - 1);
    while (fences.length < LIVE) await take();
    await age(database);
    await passTime(client, fences[0]!);
  });
  afterAll(async () => {
    client.release();
    for (const closes of closers) await closes();
  });

  test.for(ofOneLease)('%s looks at its own rows alone', async ([statement, parameters]) => {
    expect(await blocksRead(client, statement, { ...fences.at(-1), ...parameters })).toBeLessThan(MOST_BLOCKS);
  });

  test.for(ofManyLeases)('%s looks at the rows of those who say something alone', async ([statement, said]) => {
    expect(await blocksRead(client, statement, saidOf(fences.slice(-1), said))).toBeLessThan(MOST_BLOCKS);
    expect(await blocksRead(client, statement, saidOf(fences.slice(-MANY), said))).toBeLessThan(MANY * MOST_BLOCKS);
  });

  test('the plans that connections keep are those of what is asked all the time', async () => {
    const { rows } = await client.query<{ name: string }>(
      'select name from pg_prepared_statements where not from_sql order by name',
    );
    expect(rows.map(({ name }) => name)).toEqual(KEPT);
  });
});

/** As heartbeats and logs leave them: each makes another version of a row, and heartbeats an entry in every index. */
async function age(database: TestDatabase): Promise<void> {
  for (let n = 0; n < 4; n++) {
    await database.query(`update attempts set lease_expires_at = lease_expires_at + interval '1 second'`);
    await database.query('update jobs set event_seq = event_seq + 1');
  }
  await database.query(
    `insert into job_logs (job_id, attempt, position, "offset", lines, bytes, content)
     select job_id, number, 1000 * n, n, 1, 1000, jsonb_build_array(repeat('a line ', 40))
     from attempts, generate_series(1, 10) n`,
  );
}

/** Until whatever is kept is too old, and the first statement has been asked that finds it so. */
async function passTime(client: pg.PoolClient, fence: Fence): Promise<void> {
  const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + KEPT_FOR_MS);
  try {
    await ask(client, 'save-checkpoint', { ...fence, files: 2, bytes: '20', keys: ['checkpoint'] });
  } finally {
    clock.mockRestore();
  }
}

/** The same by each of them. */
function saidOf(fences: readonly Fence[], said: Record<string, unknown>): Record<string, unknown> {
  return { said: JSON.stringify(fences.map((fence) => ({ ...fence, ...said }))) };
}

/** Makes a plan that this connection keeps: as a server's does where it keeps this one's, and otherwise as one would that did. */
async function plan(client: pg.PoolClient, statement: string, parameters: Record<string, unknown>): Promise<void> {
  await ask(client, statement, parameters);
  if (!KEPT.includes(statement)) await client.query(`prepare "${statement}" as ${read(statement).text}`);
  await blocksOf(client, statement, 'force_generic_plan', parameters);
}

/** As a server asks, but nothing of it stays. */
async function ask(client: pg.PoolClient, statement: string, parameters: Record<string, unknown>): Promise<void> {
  const { text, names } = read(statement);
  await client.query('begin');
  await client.query(
    text,
    names.map((name) => parameters[name]),
  );
  await client.query('rollback');
}

/** The more of what the plan reads that was kept, and what one reads that is made now. */
async function blocksRead(
  client: pg.PoolClient,
  statement: string,
  parameters: Record<string, unknown>,
): Promise<number> {
  const kept = await blocksOf(client, statement, 'force_generic_plan', parameters);
  return Math.max(kept, await blocksOf(client, statement, 'force_custom_plan', parameters));
}

/** Of tables and indexes. */
async function blocksOf(
  client: pg.PoolClient,
  statement: string,
  mode: string,
  parameters: Record<string, unknown>,
): Promise<number> {
  const values = read(statement).names.map((name) => {
    if (!(name in parameters)) throw new Error(`Expected a value of :${name} for ${statement}`);
    return literal(parameters[name]);
  });
  await client.query(`begin; set local plan_cache_mode = ${mode}`);
  try {
    const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
      `explain (analyze, buffers, format json) execute "${statement}" (${values.join(', ')})`,
    );
    const found = rows[0]!['QUERY PLAN'][0]!.Plan;
    return found['Shared Hit Blocks']! + found['Shared Read Blocks']!;
  } finally {
    await client.query('rollback');
  }
}

function read(statement: string): { text: string; names: string[] } {
  return positional(readFileSync(new URL(`../../../db/sql/${statement}.sql`, import.meta.url), 'utf8'));
}

function literal(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return pg.escapeLiteral(`{${value.join(',')}}`);
  return pg.escapeLiteral(typeof value === 'string' ? value : JSON.stringify(value));
}
