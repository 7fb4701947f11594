import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { positional } from '../../../db/statement.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim } from '../../support/jobs.ts';

/**
 * What is written under a lease costs the same however many leases there are, also where PostgreSQL knows nothing of the tables, because
 * they are new or restored, and where it made its plan when they were nearly empty. It then takes any index for as good as any other, and
 * those of living attempts, or of an account, hold the whole fleet.
 */
const LIVE = 400;
/** By the primary key, with the events that are written, it is a few dozen. */
const MOST_BLOCKS = 100;
const RENEWED = 10;

const moved = { bytes_downloaded: '0', bytes_uploaded: '0', files_downloaded: 0, files_uploaded: 0 };
const ending = { outcome: 'FAILED', ended_by: 'AGENT', reason: 'exit code 1', exit_code: 1, signal: null };
const said = { phase: 'RUNNING', progress: '{"fraction":0.5}', transfer: null, says_warning: false, warning: null };
const line = JSON.stringify([{ at: 0, stream: 'STDOUT', text: 'a line' }]);
const often = { seen_every_seconds: 10 };

const ofOneLease: [statement: string, parameters: Record<string, unknown>][] = [
  ['renew-lease', { ...moved, ...often, sync_lag_seconds: 0 }],
  ['report-attempt', said],
  ['save-checkpoint', { files: 1, bytes: '10', keys: ['checkpoint'] }],
  ['append-logs', { offset: 0, content: line, half: 524_288 }],
  ['end-attempt', { ...ending, ...moved }],
  ['resume-attempt', { sync_lag_seconds: 0 }],
  ['store-gpu-use', { gpu_use: '[]', age_seconds: 1, at_most_every_seconds: 5 }],
];

const { core, database, account, close } = await openTestCore();
const client = new pg.Client({ connectionString: database.url });
const fences: { account_id: string; job_id: string; attempt: number }[] = [];

beforeAll(async () => {
  const { viewer } = await account();
  const take = async (): Promise<void> => {
    const { lease } = await claim(core, viewer, `machine-${fences.length}`);
    fences.push({ account_id: viewer.accountId, job_id: lease.jobId, attempt: lease.attempt });
  };
  await submitJobs(core, viewer, Array<ReturnType<typeof spec>>(2 * LIVE).fill(spec()));
  await take();
  await client.connect();
  for (const [statement, parameters] of ofOneLease) await plan(statement, { ...fences[0], ...parameters });
  await plan('renew-leases', renewalOf(fences));
  while (fences.length < LIVE) await take();
  // As heartbeats leave them: each makes another version of a row, and an entry in every index.
  for (let n = 0; n < 4; n++) {
    await client.query(`update attempts set lease_expires_at = lease_expires_at + interval '1 second'`);
  }
});
afterAll(async () => {
  await client.end();
  await close();
});

test.for(ofOneLease)('%s looks at its own rows alone', async ([statement, parameters]) => {
  expect(await blocksRead(statement, { ...fences.at(-1), ...parameters })).toBeLessThan(MOST_BLOCKS);
});

test('renew-leases looks at the rows that it renews alone', async () => {
  const blocks = await blocksRead('renew-leases', renewalOf(fences.slice(-RENEWED)));
  expect(blocks).toBeLessThan(RENEWED * MOST_BLOCKS);
});

function renewalOf(renewed: typeof fences): Record<string, unknown> {
  const columns = Object.entries({ ...moved, sync_lag_seconds: 0 });
  return {
    account_ids: renewed.map((fence) => fence.account_id),
    job_ids: renewed.map((fence) => fence.job_id),
    attempts: renewed.map((fence) => fence.attempt),
    ...Object.fromEntries(columns.map(([name, value]) => [name, renewed.map(() => value)])),
    ...often,
  };
}

/** Makes the plan that this connection keeps, by the statement's first execution, of which nothing else stays. */
async function plan(statement: string, parameters: Record<string, unknown>): Promise<void> {
  await client.query(`prepare "${statement}" as ${read(statement).text}`);
  await blocksOf(statement, 'force_generic_plan', parameters);
}

/** The more of what the plan reads that was kept, and what one reads that is made now. */
async function blocksRead(statement: string, parameters: Record<string, unknown>): Promise<number> {
  const kept = await blocksOf(statement, 'force_generic_plan', parameters);
  return Math.max(kept, await blocksOf(statement, 'force_custom_plan', parameters));
}

/** Of tables and indexes. */
async function blocksOf(statement: string, mode: string, parameters: Record<string, unknown>): Promise<number> {
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
