import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import { type Scene, type TestAgent, scenarios } from '../../support/fleet.ts';
import type { FollowedJob, JobState } from '../../support/follow.ts';
import { openGateway } from '../../support/gateway.ts';
import { runOut } from '../../support/jobs.ts';
import { processRuns } from '../../support/program.ts';
import { until } from '../../support/until.ts';

const scenario = scenarios();

/** A job that has run on this agent, and whose output the store keeps waiting. */
async function uploading(scene: Scene, more: Record<string, unknown> = {}) {
  const upload = scene.hold(({ method, key }) => method === 'PUT' && key.endsWith('first/result'));
  const first = await scene.submit({
    script: 'echo of the first > first/result; echo 1 > shared/first',
    during: ['shared'],
    after: ['first'],
    ...more,
  });
  await upload.arrived;
  return { first, upload };
}

/** A job that runs until it is let go. */
async function runs(scene: Scene, agent: TestAgent, name: string) {
  const gate = scene.gate(name);
  const job = await scene.submit({
    script: `echo "${name} pid $$ sees: $(ls shared first)"; ${gate.script}; echo ${name} > shared/${name}`,
    during: ['shared'],
    after: ['first'],
  });
  const line = await agent.said(`${name} pid `);
  return { job, gate, line, pid: Number(line.split(' ')[2]) };
}

scenario.concurrent('the next job runs while the files of the last one are on their way', async ({ scene }) => {
  const agent = await scene.agent('machine');
  const { first, upload } = await uploading(scene);
  const second = await runs(scene, agent, 'second');
  expect(second.line.replaceAll('\n', ' ')).toMatch(/sees: (first:|shared:|\s)*$/);
  expect(await first.until(inPhase('UPLOADING'))).toMatchObject({ status: 'RUNNING' });
  expect(await scene.keys()).toEqual(['shared/first']);

  upload.release();
  expect(await first.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
  expect(await scene.text('first/result')).toBe('of the first\n');
  await second.gate.open();
  expect(await second.job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
  expect(await scene.text('shared/second')).toBe('second\n');
  expect(await scene.keys()).toEqual(['first/result', 'shared/first', 'shared/second']);
  await until('the directories to be clean', async () => (await left(agent))?.length === 0);
});

scenario.concurrent('no more than one job uploads behind the one that runs', async ({ scene }) => {
  const agent = await scene.agent('machine');
  const { first, upload } = await uploading(scene);
  const output = scene.hold(({ method, key }) => method === 'PUT' && key.endsWith('second/result'));
  const second = await scene.submit({ script: 'echo 2 > second/result; echo second is done', after: ['second'] });
  const third = await scene.submit({ script: 'echo third begins' });
  await agent.said('second is done');
  await output.arrived;
  expect(await third.until(({ status }) => status === 'PENDING')).toMatchObject({ attempts: { nodes: [] } });
  expect(agent.lines.filter((line) => line.includes('The next job may begin'))).toHaveLength(1);

  // Its place is free, so the second makes way for the third, in the middle of its upload.
  upload.release();
  await first.end();
  await agent.said('third begins');
  expect(await second.until(inPhase('UPLOADING'))).toMatchObject({ status: 'RUNNING' });
  expect(await third.end()).toMatchObject({ status: 'COMPLETED' });
  output.release();
  expect(await second.end()).toMatchObject({ status: 'COMPLETED' });
  expect(await scene.text('second/result')).toBe('2\n');
});

scenario.concurrent('a job is canceled while it uploads, and the one that runs goes on', async ({ scene }) => {
  const agent = await scene.agent('machine');
  const { first, upload } = await uploading(scene);
  const second = await runs(scene, agent, 'second');
  await scene.cancel(first);
  await agent.said('{"kind":"CANCELED"}');
  await until('its files to be gone', async () => (await left(agent))?.length === 0);
  upload.release();
  expect(processRuns(second.pid)).toBe(true);
  await second.gate.open();
  expect(await second.job.end()).toMatchObject({ status: 'COMPLETED' });
  expect(await first.end()).toMatchObject({ status: 'CANCELED', attempts: { nodes: [{ outcome: 'CANCELED' }] } });
  expect(await scene.keys()).toEqual(['shared/first', 'shared/second']);
});

scenario.concurrent('a running job is canceled, and the one that uploads behind it completes', async ({ scene }) => {
  const agent = await scene.agent('machine');
  const { first, upload } = await uploading(scene);
  const second = await runs(scene, agent, 'second');
  await scene.cancel(second.job);
  await agent.said('{"kind":"CANCELED"}');
  upload.release();
  expect(await first.end()).toMatchObject({ status: 'COMPLETED' });
  expect(await scene.text('first/result')).toBe('of the first\n');
});

scenario.concurrent('both jobs outlast a lost connection', async ({ scene, onTestFinished }) => {
  const gateway = await openGateway(scene.fleet.app.url);
  onTestFinished(() => gateway.close());
  const agent = await scene.agent('machine', { KELPIE_API_URL: gateway.url });
  const { first, upload } = await uploading(scene, { heartbeatInterval: 1 });
  const second = await runs(scene, agent, 'second');
  const before = agent.lines.length;
  const hungUp = Promise.withResolvers<undefined>();
  gateway.hangUpOn = () => {
    hungUp.resolve(undefined);
    gateway.hangUpOn = () => false;
    return true;
  };
  await hungUp.promise;
  await agent.said('"msg":"Registered"', before);
  upload.release();
  await second.gate.open();
  for (const job of [first, second.job]) {
    expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
  }
  expect(await scene.keys()).toEqual(['first/result', 'shared/first', 'shared/second']);
});

scenario.concurrent('an upload that fails behind a running job is that job’s own fault', async ({ scene }) => {
  const agent = await scene.agent('machine');
  scene.interfere(async ({ method, key }) => (method === 'PUT' && key.endsWith('first/result') ? 403 : undefined));
  const gate = scene.gate('first');
  const first = await scene.submit({ script: `echo 1 > first/result; ${gate.script}`, after: ['first'] });
  const second = await scene.submit({ script: 'echo second begins', after: ['second'] });
  await gate.open();
  const failed = await first.until(({ numSyncFailures }) => numSyncFailures > 0);
  expect(failed.attempts.nodes[0]).toMatchObject({ outcome: 'SYNC_FAILED' });
  expect(failed.attempts.nodes[0]?.reason).toContain('"result" could not be uploaded');
  await agent.said('second begins');
  expect(await second.end()).toMatchObject({ status: 'COMPLETED', numSyncFailures: 0 });
});

scenario.concurrent(
  'an agent that is told to stop finishes what it uploads, and gives back what it runs',
  async ({ scene }) => {
    const agent = await scene.agent('machine');
    const { first, upload } = await uploading(scene);
    const second = await runs(scene, agent, 'second');
    agent.signal('SIGTERM');
    await second.job.until(({ numInterruptions }) => numInterruptions === 1);
    expect(await first.until(inPhase('UPLOADING'))).toMatchObject({ status: 'RUNNING' });
    upload.release();
    expect(await first.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    expect(await left(agent)).toEqual([]);
  },
);

scenario.concurrent(
  'an agent that is drained gives back what it runs, and takes its time to upload',
  async ({ scene }) => {
    const agent = await scene.agent('machine', { KELPIE_SHUTDOWN_GRACE_S: '0.2' });
    const { first, upload } = await uploading(scene);
    const second = await runs(scene, agent, 'second');
    const { app, ownerKey } = scene.fleet;
    const [row] = await app.database.query<{ id: string }>('select agent_id as id from attempts where job_id = $1', [
      first.id,
    ]);
    const drain = 'mutation ($id: ID!) { drainAgent(id: $id) { __typename } }';
    await app.graphql(ownerKey, drain, { id: row?.id });
    await second.job.until(({ numInterruptions }) => numInterruptions === 1);
    await agent.said('No more work is taken');
    upload.release();
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    expect(await first.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
  },
);

scenario.concurrent('an upload that outlasts the grace of a stop is given back', async ({ scene }) => {
  const agent = await scene.agent('machine', { KELPIE_SHUTDOWN_GRACE_S: '0.5' });
  const { first } = await uploading(scene);
  const second = await runs(scene, agent, 'second');
  agent.signal('SIGTERM');
  expect(await agent.ended).toEqual({ code: 0, signal: null });
  for (const job of [first, second.job]) {
    const released = await job.until(({ numInterruptions }) => numInterruptions === 1);
    expect(released).toMatchObject({ status: 'PENDING', attempts: { nodes: [{ outcome: 'RELEASED' }] } });
  }
});

scenario.concurrent(
  'a job whose agent is killed while it uploads is done again elsewhere, and so is the one behind',
  async ({ scene }) => {
    const agent = await scene.agent('machine-a');
    const { first, upload } = await uploading(scene);
    const second = await runs(scene, agent, 'second');
    await agent.vanish();
    upload.release();
    await second.gate.open();
    await scene.agent('machine-b');
    for (const job of [first, second.job]) {
      const { status, attempts, numInterruptions } = await rescued(scene, job);
      expect({ status, numInterruptions }).toEqual({ status: 'COMPLETED', numInterruptions: 1 });
      expect(attempts.nodes.map(({ outcome, machineId }) => [outcome, machineId])).toEqual([
        ['LOST', 'machine-a'],
        ['COMPLETED', 'machine-b'],
      ]);
    }
    expect(await scene.text('first/result')).toBe('of the first\n');
  },
);

scenario.concurrent('without the overlap one job follows the other', async ({ scene }) => {
  const agent = await scene.agent('machine', { KELPIE_OVERLAP_UPLOADS: 'false' });
  const { first, upload } = await uploading(scene);
  const second = await scene.submit({ script: 'echo second begins' });
  await first.until(inPhase('UPLOADING'));
  upload.release();
  await Promise.all([first.end(), second.end()]);
  const told = agent.lines.filter((line) => /Attempt (begins|ends)/.test(line));
  expect(told.map((line) => /Attempt (begins|ends)/.exec(line)?.[1])).toEqual(['begins', 'ends', 'begins', 'ends']);
});

/** Its lease is made to run out, should the server not have noticed yet that its agent is gone. */
async function rescued(scene: Scene, job: FollowedJob): Promise<JobState> {
  const { app } = scene.fleet;
  const { attempts } = await job.until(({ attempts: { nodes } }) => nodes.length > 0);
  if (attempts.nodes[0]?.outcome === null) {
    await runOut(app.database, job.id);
    await rescueExpired(app.core);
  }
  return job.end();
}

/** What of any job still lies in the agent's folder, besides the marks of whose its directories are. */
async function left(agent: TestAgent): Promise<string[] | undefined> {
  // What is being removed may be gone while it is read.
  const entries = await readdir(agent.folder, { recursive: true, withFileTypes: true }).catch(() => undefined);
  const files = entries?.filter((entry) => entry.isFile() && !entry.name.startsWith('.kelpie-part-job-of-'));
  return files?.map(({ parentPath, name }) => join(parentPath, name));
}

function inPhase(phase: string): (state: JobState) => boolean {
  return (state) => state.attempts.nodes[0]?.phase === phase;
}
