import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { createScalingRule, findScalingRule } from '../../../core/scaling/rules.ts';
import { createScaler } from '../../../core/scaling/scaler.ts';
import { periodic } from '../../../lib/service.ts';
import { makeTemporaryDirectory } from '../../../lib/temporary.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { spec } from '../../support/core.ts';
import { startLocalMachines } from '../../support/local-machines.ts';
import { until } from '../../support/until.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const JOBS = 40;
const AGENTS = 8;

test('forty uneven jobs are done by eight agents that come with the queue and go with it, and none is interrupted', async () => {
  const { viewer } = await app.account('OWNER', 'herder');
  const { secret } = await app.account('AGENT', 'herder');
  const machines = await startLocalMachines(app, secret, 'flock');
  // No job ends before there is one for each agent, however slowly they start; then some take longer than others.
  const directory = await makeTemporaryDirectory('kelpie-flock-');
  const gate = join(directory, 'gate');
  const errors: Error[] = [];
  const onError = (error: Error) => void errors.push(error);
  const scaler = createScaler({ core: app.core, provider: machines.provider, onNews: () => loop.poke(), onError });
  const loop = periodic({ name: 'scaling', everyMs: 500, runOnce: () => scaler.runOnce(), onError });
  try {
    await createScalingRule(app.core, viewer, 'flock', {
      minReplicas: 0,
      maxReplicas: AGENTS,
      idleThresholdSeconds: 1,
    });
    loop.start();
    await submitJobs(
      app.core,
      viewer,
      Array.from({ length: JOBS }, (_, index) =>
        spec({
          command: 'sh',
          arguments: ['-c', `until [ -e "${gate}" ]; do sleep 0.25; done; sleep ${(index % 5) * 0.3}`],
          containerGroupId: 'flock',
        }),
      ),
    );
    await until('a job for each agent', async () => (await jobsOf('RUNNING')) === AGENTS, 40_000);
    await writeFile(gate, '');
    await until('all jobs to be done', async () => (await jobsOf('COMPLETED')) === JOBS, 40_000);
    await until('all agents to be gone', () => machines.processes().length === 0, 15_000);
    const gone = Date.now();
    await until('the rule to say so', async () => {
      const rule = await findScalingRule(app.core, viewer, 'flock');
      return rule.wanted === 0 && rule.answerOk === true;
    });
    process.stdout.write(`${(await timeline(gone)).join('\n')}\n`);
    expect(errors).toEqual([]);
    const attempts = await app.database.query('select outcome, count(*)::int from attempts group by outcome');
    expect(attempts).toEqual([{ outcome: 'COMPLETED', count: JOBS }]);
    const [workers] = await app.database.query('select count(distinct machine_id)::int as count from attempts');
    expect(workers).toEqual({ count: AGENTS });
    const history = await app.database.query<{ reason: string; message: string }>(
      'select reason, message from scaling_events order by id',
    );
    expect(history.map(({ message }) => message)).toContainEqual(expect.stringContaining('set to 8, started'));
    expect(history.some(({ reason }) => reason.startsWith('8 = clamped from 4'))).toBe(true);
    expect(history.at(-1)?.message).toMatch(/stopped$/);
  } finally {
    await loop.stop();
    await scaler.stop();
    await machines.clear();
    await rm(directory, { recursive: true, force: true });
  }
}, 90_000);

test('a job that fails wherever it runs is tried on as many machines as it may fail on, and none waits idle for another to come by', async () => {
  const { viewer } = await app.account('OWNER', 'tester');
  const { secret } = await app.account('AGENT', 'tester');
  const machines = await startLocalMachines(app, secret, 'picky');
  const errors: Error[] = [];
  const onError = (error: Error) => void errors.push(error);
  const scaler = createScaler({ core: app.core, provider: machines.provider, onNews: () => loop.poke(), onError });
  const loop = periodic({ name: 'scaling', everyMs: 500, runOnce: () => scaler.runOnce(), onError });
  try {
    const terms = { minReplicas: 0, maxReplicas: 4, idleThresholdSeconds: 0 };
    await createScalingRule(app.core, viewer, 'picky', terms);
    loop.start();
    const [job] = await submitJobs(app.core, viewer, [
      spec({ command: 'false', arguments: [], containerGroupId: 'picky', maxFailures: 3 }),
    ]);
    await until('the job to have failed', async () => (await jobsOf('FAILED')) === 1, 40_000);
    const [workers] = await app.database.query(
      'select count(distinct machine_id)::int as count from attempts where job_id = $1',
      [job?.id],
    );
    expect(workers).toEqual({ count: 3 });
    expect(errors).toEqual([]);
  } finally {
    await loop.stop();
    await scaler.stop();
    await machines.clear();
  }
}, 60_000);

async function jobsOf(status: string): Promise<number> {
  const [row] = await app.database.query<{ count: number }>(
    'select count(*)::int as count from jobs where status = $1',
    [status],
  );
  return row?.count ?? 0;
}

/** What happened when, in seconds from the first submission, by the database's clock. @param gone by this machine's, which is the same */
async function timeline(gone: number): Promise<string[]> {
  const facts = await app.database.query<{ at: Date; what: string }>(
    `select min(created_at) as at, count(*) || ' jobs submitted' as what from jobs
     union all
     select first, 'agent ' || row_number() over (order by first) || ' has its first job'
     from (select min(started_at) as first from attempts group by machine_id) one
     union all
     select max(completed_at), 'all jobs completed' from jobs
     union all
     select at, 'scaling: ' || coalesce(reason, 'undecided') || ': ' || message from scaling_events
     order by at`,
  );
  const all = [...facts, { at: new Date(gone), what: 'all agents gone' }];
  const submitted = all.find(({ what }) => what.endsWith('submitted'))?.at.getTime() ?? 0;
  return all
    .toSorted((a, b) => a.at.getTime() - b.at.getTime())
    .map(({ at, what }) => `${((at.getTime() - submitted) / 1_000).toFixed(2).padStart(6)} s  ${what}`);
}
