import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { positional } from '../../../db/statement.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim } from '../../support/jobs.ts';

/**
 * What is written under a lease costs the same however many leases there are, also where PostgreSQL knows nothing of the tables: it is new,
 * restored, or of another major version, and has not yet looked. It then takes any index for as good as any other, and those that begin
 * with the account hold the whole fleet.
 */
const LIVE = 400;
/** By the primary key, with the events that are written, it is a few dozen. */
const MOST_BLOCKS = 100;
const RENEWED = 10;

const { core, database, account, close } = await openTestCore();
const client = new pg.Client({ connectionString: database.url });
const fences: { account_id: string; job_id: string; attempt: number }[] = [];

beforeAll(async () => {
  const { viewer } = await account();
  await submitJobs(core, viewer, Array<ReturnType<typeof spec>>(2 * LIVE).fill(spec()));
  for (let n = 0; n < LIVE; n++) {
    const { lease } = await claim(core, viewer, `machine-${n}`);
    fences.push({ account_id: viewer.accountId, job_id: lease.jobId, attempt: lease.attempt });
  }
  await client.connect();
  // As heartbeats leave them: each makes another version of a row, and an entry in every index.
  for (let n = 0; n < 4; n++) {
    await client.query(`update attempts set lease_expires_at = lease_expires_at + interval '1 second'`);
  }
});
afterAll(async () => {
  await client.end();
  await close();
});

const moved = { bytes_downloaded: '0', bytes_uploaded: '0', files_downloaded: 0, files_uploaded: 0 };
const ending = { outcome: 'FAILED', ended_by: 'AGENT', reason: 'exit code 1', exit_code: 1, signal: null };
const said = { phase: 'RUNNING', progress: '{"fraction":0.5}', transfer: null, says_warning: false, warning: null };
const line = JSON.stringify([{ at: 0, stream: 'STDOUT', text: 'a line' }]);

test.for<[statement: string, parameters: Record<string, unknown>]>([
  ['renew-lease', { ...moved, sync_lag_seconds: 0, seen_every_seconds: 10 }],
  ['report-attempt', said],
  ['save-checkpoint', { files: 1, bytes: '10', keys: ['checkpoint'] }],
  ['append-logs', { offset: 0, content: line, half: 524_288 }],
  ['store-gpu-use', { gpu_use: '[]', age_seconds: 1, at_most_every_seconds: 5 }],
  ['end-attempt', { ...ending, ...moved }],
  ['resume-attempt', { sync_lag_seconds: 0 }],
])('%s looks at its own rows alone, of a table that nobody has analyzed', async ([statement, parameters]) => {
  expect(await blocksRead(statement, { ...fences.at(-1), ...parameters })).toBeLessThan(MOST_BLOCKS);
});

test('renew-leases looks at the rows that it renews alone, of a table that nobody has analyzed', async () => {
  const renewed = fences.slice(-RENEWED);
  const columns = Object.entries({ ...moved, sync_lag_seconds: 0 }).map(([name, value]) => [
    name,
    renewed.map(() => value),
  ]);
  const parameters: Record<string, unknown> = {
    account_ids: renewed.map((fence) => fence.account_id),
    job_ids: renewed.map((fence) => fence.job_id),
    attempts: renewed.map((fence) => fence.attempt),
    seen_every_seconds: 10,
    ...Object.fromEntries(columns),
  };
  expect(await blocksRead('renew-leases', parameters)).toBeLessThan(RENEWED * MOST_BLOCKS);
});

/** Of the tables and their indexes, by one statement, which is not kept. */
async function blocksRead(statement: string, parameters: Record<string, unknown>): Promise<number> {
  const file = new URL(`../../../db/sql/${statement}.sql`, import.meta.url);
  const { text, names } = positional(readFileSync(file, 'utf8'));
  const values = names.map((name) => {
    if (!(name in parameters)) throw new Error(`Expected a value of :${name} for ${statement}`);
    return parameters[name];
  });
  await client.query('begin');
  try {
    const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
      `explain (analyze, buffers, format json) ${text}`,
      values,
    );
    const plan = rows[0]!['QUERY PLAN'][0]!.Plan;
    return plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!;
  } finally {
    await client.query('rollback');
  }
}
