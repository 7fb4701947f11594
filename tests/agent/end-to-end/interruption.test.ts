import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import { type Scene, scenarios } from '../../support/fleet.ts';
import type { FollowedJob } from '../../support/follow.ts';
import { runOut } from '../../support/jobs.ts';
import { processRuns } from '../../support/program.ts';
import { jobsIn } from '../../support/rest.ts';
import { until } from '../../support/until.ts';

const scenario = scenarios();

const MONTE_CARLO = join(import.meta.dirname, '../../../client-examples/jobs/monte-carlo.ts');

scenario.concurrent('a job whose machine vanishes ends as if nothing had happened', async ({ scene }) => {
  const run = ['--steps', '8', '--seed', '7', '--save-every', '1'];
  const reference = promisify(execFile)(process.execPath, [MONTE_CARLO, ...run], { cwd: scene.folder });
  const first = await scene.agent('machine-a');
  const job = await scene.submit({
    script: `exec ${process.execPath} ${MONTE_CARLO} ${run.join(' ')} --pause-ms 250`,
    before: ['checkpoints'],
    during: ['checkpoints'],
    after: ['output'],
    heartbeatInterval: 1,
  });
  await until('a checkpoint in the bucket', async () => (await scene.keys()).length > 0);
  await Promise.all([first.vanish(), scene.agent('machine-b')]);

  expect(await job.end()).toMatchObject({
    status: 'COMPLETED',
    numInterruptions: 1,
    numFailures: 0,
    attempts: {
      nodes: [
        { machineId: 'machine-a', outcome: 'LOST' },
        { machineId: 'machine-b', outcome: 'COMPLETED' },
      ],
    },
  });
  await reference;
  const result = resultIn(await scene.text('output/result.json'));
  const uninterrupted = resultIn(await readFile(join(scene.folder, 'output/result.json'), 'utf8'));
  expect(result.resumedAfterStep).toBeGreaterThan(0);
  expect(result).toEqual({ ...uninterrupted, resumedAfterStep: result.resumedAfterStep });
});

scenario.concurrent('a cancel ends the command at once, and nothing is uploaded after it', async ({ scene }) => {
  const agent = await scene.agent('machine');
  const job = await scene.submit({
    script: `
      trap 'echo late > checkpoints/late; echo told to stop; exit 0' TERM
      echo early > checkpoints/early
      while :; do sleep 0.05; done`,
    during: ['checkpoints'],
    after: ['checkpoints'],
  });
  await until('the first checkpoint', async () => (await scene.keys()).length === 1);
  await scene.cancel(job);
  const canceledAt = performance.now();
  await agent.said('told to stop');
  // Without the signal it would have learned it from a heartbeat, up to twenty seconds later.
  expect(performance.now() - canceledAt).toBeLessThan(5000);

  expect(await job.end()).toMatchObject({
    status: 'CANCELED',
    numFailures: 0,
    numInterruptions: 0,
    attempts: { nodes: [{ outcome: 'CANCELED' }] },
  });
  await worksAgain(scene);
  expect(await scene.keys()).toEqual(['checkpoints/early']);
});

scenario.concurrent('a job that is canceled during its download never starts', async ({ scene }) => {
  await scene.put('data/a', 'a');
  const download = scene.hold(({ method }) => method === 'GET');
  const agent = await scene.agent('machine');
  const job = await scene.submit({ script: 'echo started', before: ['data'] });
  await download.arrived;
  await scene.cancel(job);
  await agent.said('{"kind":"CANCELED"}');
  download.release();
  await worksAgain(scene);
  expect(agent.lines).not.toContain('started');
});

scenario.concurrent('a job that is canceled during its upload leaves nothing that was not there', async ({ scene }) => {
  const upload = scene.hold(({ method }) => method === 'PUT');
  const agent = await scene.agent('machine');
  const job = await scene.submit({ script: 'echo 1 > output/one; echo 2 > output/two', after: ['output'] });
  await upload.arrived;
  await scene.cancel(job);
  await agent.said('{"kind":"CANCELED"}');
  await worksAgain(scene);
  upload.release();
  await worksAgain(scene);
  expect(await scene.keys()).toEqual([]);
  expect(await job.end()).toMatchObject({ status: 'CANCELED', attempts: { nodes: [{ outcome: 'CANCELED' }] } });
});

scenario.concurrent(
  'an agent that is told to stop saves what there is, and the next one goes on',
  async ({ scene }) => {
    const [first, second] = await Promise.all([scene.agent('machine-a'), scene.agent('machine-b')]);
    const job = await scene.submit({
      script: `
      if [ -e checkpoints/last ]; then cat checkpoints/last > output/result; exit 0; fi
      trap 'echo saved at the last moment > checkpoints/last; exit 143' TERM
      echo ready; while :; do sleep 0.05; done`,
      before: ['checkpoints'],
      during: ['checkpoints'],
      after: ['output'],
    });
    const { attempts } = await job.until((state) => state.attempts.nodes[0]?.phase === 'RUNNING');
    const [leaver, stayer] = attempts.nodes[0]?.machineId === 'machine-a' ? [first, second] : [second, first];
    await leaver.said('ready');
    leaver.signal('SIGTERM');
    expect(await leaver.ended).toEqual({ code: 0, signal: null });

    const state = await job.end();
    expect(state).toMatchObject({ status: 'COMPLETED', numFailures: 0, numInterruptions: 1 });
    expect(state.attempts.nodes).toMatchObject([{ outcome: 'RELEASED' }, { outcome: 'COMPLETED' }]);
    expect(state.attempts.nodes[0]?.reason).toContain('SIGTERM');
    expect(state.attempts.nodes[1]?.machineId).not.toBe(state.attempts.nodes[0]?.machineId);
    expect(await scene.text('output/result')).toBe('saved at the last moment\n');
    const [released, claimed] = (await scene.events(job)).filter(
      ({ type, attempt }) => (type === 'ATTEMPT_ENDED' && attempt === 1) || (type === 'CLAIMED' && attempt === 2),
    );
    // By itself the other agent would have asked after four to six seconds.
    expect(claimed!.at.getTime() - released!.at.getTime()).toBeLessThan(3500);
    stayer.signal('SIGINT');
    expect(await stayer.ended).toEqual({ code: 0, signal: null });
  },
);

scenario.concurrent(
  'a store that hangs keeps a job from the next machine no longer than the grace',
  async ({ scene }) => {
    const agent = await scene.agent('machine', { KELPIE_UPLOAD_GRACE_S: '0.5' });
    const upload = scene.hold(({ method }) => method === 'PUT');
    const job = await scene.submit({
      script: 'echo 1 > checkpoints/one; echo ready; while :; do sleep 0.05; done',
      during: ['checkpoints'],
    });
    await agent.said('ready');
    await upload.arrived;
    agent.signal('SIGTERM');
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    const released = await job.until(({ numInterruptions }) => numInterruptions === 1);
    expect(released).toMatchObject({ status: 'PENDING', attempts: { nodes: [{ outcome: 'RELEASED' }] } });
    upload.release();
  },
);

scenario.concurrent('a second signal ends the waiting for a command that does not end', async ({ scene }) => {
  const agent = await scene.agent('machine', { KELPIE_SHUTDOWN_GRACE_S: '600' });
  const job = await scene.submit({ script: `trap 'echo heedless' TERM; echo "pid $$"; while :; do sleep 0.05; done` });
  const pid = Number((await agent.said('pid ')).slice(4));
  agent.signal('SIGTERM');
  await agent.said('heedless');
  expect(processRuns(pid)).toBe(true);
  agent.signal('SIGTERM');
  expect(await agent.ended).toEqual({ code: 0, signal: null });
  expect(processRuns(pid)).toBe(false);
  const released = await job.until(({ numInterruptions }) => numInterruptions === 1);
  expect(released).toMatchObject({ status: 'PENDING', attempts: { nodes: [{ outcome: 'RELEASED' }] } });
});

scenario.concurrent(
  'an agent that has lost its job to another machine no longer touches its data',
  async ({ scene }) => {
    const upload = scene.hold(({ method, body }) => method === 'PUT' && body.toString() === 'of the first\n');
    const agent = await scene.agent('machine');
    const job = await scene.submit({
      script: 'echo of the first > checkpoints/last; echo "pid $$"; while :; do sleep 0.05; done',
      during: ['checkpoints'],
      heartbeatInterval: 1,
    });
    const pid = Number((await agent.said('pid ')).slice(4));
    await upload.arrived;
    await loseTo(scene, job, 'successor');
    await scene.put('checkpoints/last', 'of the successor');
    await agent.said('{"kind":"LEASE_LOST"}');
    expect(processRuns(pid)).toBe(false);
    await report(scene, job, 'successor');

    const next = await worksAgain(scene, 'echo "left: $(ls checkpoints)"');
    expect(next).toMatchObject({ attempts: { nodes: [{ machineId: 'machine' }] } });
    expect(await agent.said('left:')).toBe('left: ');
    upload.release();
    await worksAgain(scene);
    expect(await scene.text('checkpoints/last')).toBe('of the successor');
    expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 1 });
  },
);

/** The agent of the scene takes the next job and sees it through. */
async function worksAgain(scene: Scene, script = 'true') {
  const state = await (await scene.submit({ script })).end();
  expect(state).toMatchObject({ status: 'COMPLETED' });
  return state;
}

/** Makes the lease run out, and lets a polling worker on another machine claim the job before its agent is heard again. */
async function loseTo(scene: Scene, job: FollowedJob, machineId: string): Promise<void> {
  const { app, ownerKey } = scene.fleet;
  await until('the claim of the other machine', async () => {
    await runOut(app.database, job.id);
    await rescueExpired(app.core);
    const { body } = await app.rest(ownerKey, 'GET', `/work?machine_id=${machineId}&container_group_id=${scene.group}`);
    return jobsIn(body).length === 1;
  });
}

async function report(scene: Scene, job: FollowedJob, machineId: string): Promise<void> {
  const body = { machine_id: machineId, container_group_id: scene.group };
  await scene.fleet.app.rest(scene.fleet.ownerKey, 'POST', `/jobs/${job.id}/completed`, body);
}

function resultIn(text: string | undefined): { resumedAfterStep: number; pi: number } {
  return JSON.parse(text ?? '') as { resumedAfterStep: number; pi: number };
}

scenario.concurrent(
  'a command that saves as its time is over keeps the time for that, and its save is uploaded, when the agent is told to stop',
  async ({ scene }) => {
    const grace = { KELPIE_SHUTDOWN_GRACE_S: '0', KELPIE_UPLOAD_GRACE_S: '3', KELPIE_KILL_GRACE_S: '60' };
    const agent = await scene.agent('machine', grace);
    const end = scene.gate('end');
    const save = `echo saving; ${end.script}; echo state > checkpoints/last; exit 0`;
    const job = await scene.submit({
      script: `trap '${save}' TERM; while :; do sleep 0.05; done`,
      during: ['checkpoints'],
      timeoutSeconds: 1,
    });
    await agent.said('saving');
    agent.signal('SIGTERM');
    const toldAt = performance.now();
    await until('the time for uploads to pass', () => performance.now() - toldAt > 3500);
    await end.open();
    const state = await job.until(({ attempts }) => (attempts.nodes[0]?.outcome ?? null) !== null);
    expect(state.attempts.nodes).toMatchObject([{ outcome: 'TIMED_OUT' }]);
    expect(await scene.text('checkpoints/last')).toBe('state\n');
    expect(await agent.ended).toEqual({ code: 0, signal: null });
  },
);
