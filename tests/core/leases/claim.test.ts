import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { positional } from '../../../db/statement.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { disagreements } from '../../support/history.ts';
import { claim, endings, submit, tryClaim } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 50 });
afterAll(close);

function specs(count: number, part: object = {}) {
  return Array.from({ length: count }, () => spec(part));
}

describe('Rule 1 and 6: claiming at once', () => {
  test.each([
    { jobs: 200, claims: 200 },
    { jobs: 70, claims: 200 },
  ])('$claims claims of 50 claimers on $jobs jobs: each job once, the rest gets nothing', async ({ jobs, claims }) => {
    const { viewer } = await account();
    await submitJobs(core, viewer, specs(jobs));
    const claimers = Array.from({ length: 50 }, async (_, claimer) => {
      const got = [];
      for (let turn = 0; turn < claims / 50; turn++) got.push(await tryClaim(core, viewer, `machine ${claimer}`));
      return got;
    });
    const got = (await Promise.all(claimers)).flat().flatMap((job) => (job === undefined ? [] : [job.id]));
    expect(got).toHaveLength(jobs);
    expect(new Set(got).size).toBe(jobs);
    expect(await disagreements(database)).toEqual([]);
  });

  test('a claim passes over a job whose row another transaction holds, and does not wait for it', async () => {
    const { viewer } = await account();
    const [held, free] = await submitJobs(core, viewer, specs(2));
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    try {
      await other.query('begin');
      await other.query('select from jobs where id = $1 for update', [held!.id]);
      expect((await claim(core, viewer)).id).toBe(free!.id);
      expect(await tryClaim(core, viewer, 'machine')).toBeUndefined();
    } finally {
      await other.end();
    }
  });
});

describe('Rule 6: whose job', () => {
  test('a claim stays within its account and its container group', async () => {
    const one = await account();
    const two = await account();
    await submit(core, one.viewer, { containerGroupId: 'a' });
    expect(await tryClaim(core, two.viewer, 'machine', 'a')).toBeUndefined();
    expect(await tryClaim(core, one.viewer, 'machine', 'b')).toBeUndefined();
    expect(await tryClaim(core, one.viewer, 'machine', 'a')).toBeDefined();
  });

  test('a claimed job is running, held by the machine, under a lease of twice its heartbeat interval', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { heartbeatInterval: 7 });
    const job = await claim(core, viewer, 'machine');
    expect(job).toMatchObject({ status: 'RUNNING', machineId: 'machine', attemptNumber: 1 });
    const [attempt] = await database.query(
      `select number, machine_id, outcome,
              round(extract(epoch from lease_expires_at - clock_timestamp()), 2)::float8 as left
       from attempts where job_id = $1`,
      [job.id],
    );
    expect(attempt).toMatchObject({ number: 1, machine_id: 'machine', outcome: null });
    expect(attempt?.left).toBeGreaterThan(10);
    expect(attempt?.left).toBeLessThanOrEqual(14);
  });

  test('its cost does not grow with the backlog or the history', async () => {
    await using stack = new AsyncDisposableStack();
    const own = await openTestCore();
    stack.defer(own.close);
    const { viewer } = await own.account();
    const client = new pg.Client({ connectionString: own.database.url });
    await client.connect();
    stack.defer(() => client.end());
    await submit(own.core, viewer);
    for (const table of ['jobs', 'bans', 'attempts']) await client.query(`vacuum analyze ${table}`);
    // The plans that this connection keeps are made now, for a single job: PostgreSQL keeps none before it has tried some.
    for (let time = 0; time < 8; time++) await blocksOfClaim(client, viewer.accountId);
    const small = await blocksOfClaim(client, viewer.accountId);
    await client.query(
      `insert into jobs (account_id, api_key_id, status, command, arguments, environment, container_group_id, labels,
                         max_failures, heartbeat_interval)
       select account_id, api_key_id, s.status, command, arguments, environment, container_group_id, labels,
              max_failures, heartbeat_interval
       from jobs, generate_series(1, 10000), (values ('PENDING'::job_status), ('COMPLETED')) s (status)
       where account_id = $1`,
      [viewer.accountId],
    );
    // Of other machines for these jobs, and of this one for others'; and a history of attempts.
    await client.query(
      `insert into bans (job_id, machine_id, account_id, attempt, reason)
       select id, 'other ' || n, account_id, 1, 'FAILED' from (select * from jobs where account_id = $1 limit 200) j, generate_series(1, 50) n
       union all select id, 'machine', gen_random_uuid(), 1, 'FAILED' from jobs where status = 'COMPLETED'`,
      [viewer.accountId],
    );
    await client.query(
      `insert into attempts (job_id, number, account_id, container_group_id, machine_id, agent_id, claim_id, heartbeat_interval,
                             lease_expires_at, outcome, ended_at)
       select id, 1, account_id, 'group', 'machine', null, null, 30, now(), 'COMPLETED', now()
       from jobs where status = 'COMPLETED'`,
    );
    // Before the planner has looked at them, and after.
    for (const look of ['select', 'analyze jobs, bans, attempts']) {
      await client.query(look);
      // What is planned anew reads the catalogue.
      await blocksOfClaim(client, viewer.accountId);
      // An index that is some levels deeper, not a scan: 20,000 jobs fill about 700 blocks.
      expect(await blocksOfClaim(client, viewer.accountId)).toBeLessThan(small + 60);
    }
  });
});

/** Blocks of memory or disk that one claim touches, which is taken back. */
async function blocksOfClaim(client: pg.Client, accountId: string): Promise<number> {
  const { text, names } = positional(readFileSync(new URL('../../../db/sql/claim-job.sql', import.meta.url), 'utf8'));
  const parameters: Record<string, unknown> = {
    account_id: accountId,
    container_group_id: 'group',
    machine_id: 'machine',
    agent_id: randomUUID(),
    claim_id: randomUUID(),
    bans_to_reallocate: 5,
  };
  try {
    await client.query('begin');
    const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
      `explain (analyze, buffers, format json) ${text}`,
      names.map((name) => parameters[name]),
    );
    const plan = rows[0]!['QUERY PLAN'][0]!.Plan;
    return plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!;
  } finally {
    await client.query('rollback');
  }
}

describe('Rule 5: bans', () => {
  test('a machine on which the command failed does not get the job again, others do at once', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer);
    await finishAttempt(core, viewer, (await claim(core, viewer, 'bad')).lease, endings.failed);
    expect(await tryClaim(core, viewer, 'bad')).toBeUndefined();
    expect(await claim(core, viewer, 'good')).toMatchObject({ id, attemptNumber: 2, machineId: 'good' });
  });

  test('a banned machine gets the next job behind it', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    await finishAttempt(core, viewer, (await claim(core, viewer, 'bad')).lease, endings.failed);
    const next = await submit(core, viewer);
    expect((await claim(core, viewer, 'bad')).id).toBe(next.id);
  });

  test('a lost, released or unsynced job comes back to the same machine', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer);
    for (const ending of [endings.released, endings.syncFailed]) {
      await finishAttempt(core, viewer, (await claim(core, viewer, 'same')).lease, ending);
    }
    expect((await claim(core, viewer, 'same')).id).toBe(id);
  });

  test('no machine ever gets a job that failed on it, with ten agents on five machines failing 30 jobs at once', async () => {
    const { viewer } = await account();
    await submitJobs(core, viewer, specs(30, { maxFailures: 5 }));
    const left = async (): Promise<boolean> => {
      const rows = await database.query(`select 1 from jobs where account_id = $1 and status <> 'FAILED' limit 1`, [
        viewer.accountId,
      ]);
      return rows.length > 0;
    };
    await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        // A machine that gets nothing more makes room for a fresh one.
        for (let round = 0; await left(); round++) {
          const machine = `machine ${index % 5} of round ${round}`;
          for (;;) {
            const job = await tryClaim(core, viewer, machine);
            if (job === undefined) break;
            await finishAttempt(core, viewer, { jobId: job.id, attempt: job.attemptNumber }, endings.failed);
          }
        }
      }),
    );
    const twice = await database.query(
      'select job_id, machine_id from attempts where account_id = $1 group by 1, 2 having count(*) > 1',
      [viewer.accountId],
    );
    expect(twice).toEqual([]);
    const [sums] = await database.query(
      `select sum(num_failures)::int as failures, (select count(*)::int from bans where account_id = $1) as bans
       from jobs where account_id = $1`,
      [viewer.accountId],
    );
    expect(sums).toEqual({ failures: 150, bans: 150 });
    expect(await disagreements(database)).toEqual([]);
  });
});
