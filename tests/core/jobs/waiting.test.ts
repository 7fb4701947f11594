import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { registerAgent } from '../../../core/agents/register.ts';
import { retireAgents } from '../../../core/agents/retire.ts';
import { BANS_TO_REALLOCATE } from '../../../core/jobs/bans.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { whyWaiting } from '../../../core/jobs/waiting.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { positional } from '../../../db/statement.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim, endings, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

const JOBS = 200;
const MACHINES = 200;
/** Each job is banned from so many of them, and each machine from as many jobs. */
const BANS_PER_JOB = 2;
/** So many machines are banned from so many jobs that they get none at all. */
const BARRED = 20;
/** Each job looks at its place in the queue, of at most a hundred entries. */
const BLOCKS_PER_JOB = 40;

async function connect(viewer: Parameters<typeof registerAgent>[1], containerGroupId: string, machineId: string) {
  await registerAgent(core, viewer, {
    containerGroupId,
    machineId,
    sessionId: randomUUID(),
    version: null,
    hardware: null,
  });
}

test('a machine counts once however many agents it has, in its own group, and not where it is banned', async () => {
  const { viewer } = await account();
  const failing = await submit(core, viewer);
  await finishAttempt(core, viewer, (await claim(core, viewer, 'one')).lease, endings.failed);
  const second = await submit(core, viewer);
  const elsewhere = await submit(core, viewer, { containerGroupId: 'elsewhere' });
  const alone = await submit(core, viewer, { containerGroupId: 'nobody' });
  const pending = [{ ...failing, status: 'PENDING' as const, statusReason: null }, second, elsewhere, alone];
  const reasons = async () => {
    const found = await whyWaiting(core, pending);
    return pending.map(({ id }) => found.get(id));
  };
  const next = 'Next in the queue: it waits for an agent to be free.';

  await connect(viewer, 'group', 'one');
  await connect(viewer, 'group', 'one');
  await connect(viewer, 'elsewhere', 'one');
  expect(await reasons()).toEqual([
    'Every connected machine (1) is banned from this job: lift a ban, or connect another machine.',
    '1 job is before it in the queue.',
    next,
    'No agent of container group nobody is connected.',
  ]);
  await connect(viewer, 'group', 'two');
  expect((await reasons())[0]).toBe(next);
});

test('a machine whose agents are all being retired is as good as none', async () => {
  const { viewer } = await account();
  const job = await submit(core, viewer);
  await connect(viewer, 'group', 'leaving');
  const reason = async () => (await whyWaiting(core, [job])).get(job.id);
  expect(await reason()).toBe('Next in the queue: it waits for an agent to be free.');
  const group = { accountId: viewer.accountId, containerGroupId: 'group' };
  expect(await retireAgents(core, group, ['leaving'], 1)).toEqual(['leaving']);
  expect(await reason()).toBe('No agent of container group group is connected.');
  await connect(viewer, 'group', 'leaving');
  expect(await reason()).toBe('Next in the queue: it waits for an agent to be free.');
});

test('a whole batch costs no look at every machine for every job', async () => {
  const { viewer } = await account();
  for (let n = 0; n < MACHINES; n++) await connect(viewer, 'batch', `machine-${n}`);
  const jobs = await submitJobs(
    core,
    viewer,
    Array<ReturnType<typeof spec>>(JOBS).fill(spec({ containerGroupId: 'batch' })),
  );
  await database.query(
    `insert into bans (job_id, machine_id, account_id, attempt, reason)
     select job.id, 'machine-' || (job.n + ban) % $3, $2::uuid, 1, 'exit code 1'
     from unnest($1::uuid[]) with ordinality job (id, n), generate_series(1, $4::int) ban
     union
     select job.id, 'machine-' || machine, $2::uuid, 1, 'exit code 1'
     from unnest($1::uuid[]) with ordinality job (id, n), generate_series(0, $5::int - 1) machine
     where job.n <= $6`,
    [jobs.map(({ id }) => id), viewer.accountId, MACHINES, BANS_PER_JOB, BARRED, BANS_TO_REALLOCATE],
  );
  const { text, names } = positional(readFileSync(new URL('../../../db/sql/why-waiting.sql', import.meta.url), 'utf8'));
  const parameters: Record<string, unknown> = {
    job_ids: jobs.map(({ id }) => id),
    seen_within_seconds: 30,
    bans: BANS_TO_REALLOCATE,
    most: 100,
  };
  const values = names.map((name) => {
    if (!(name in parameters)) throw new Error(`Expected a value of :${name}`);
    return parameters[name];
  });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const found = await client.query<{ banned: number; allowed: number }>(text, values);
    expect(found.rows.filter(({ banned }) => banned === BANS_PER_JOB)).not.toEqual([]);
    const free = MACHINES - BARRED;
    expect(new Set(found.rows.map(({ allowed }) => allowed))).toEqual(new Set([free, free - 1, free - BANS_PER_JOB]));
    const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
      `explain (analyze, buffers, format json) ${text}`,
      values,
    );
    const plan = rows[0]!['QUERY PLAN'][0]!.Plan;
    expect(plan['Actual Rows']).toBe(JOBS);
    expect(plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!).toBeLessThan(JOBS * BLOCKS_PER_JOB);
  } finally {
    await client.end();
  }
});
