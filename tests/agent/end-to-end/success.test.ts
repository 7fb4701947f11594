import { join } from 'node:path';
import { expect } from 'vitest';
import { type Scene, scenarios, timeOf } from '../../support/fleet.ts';
import { follow, type JobState } from '../../support/follow.ts';
import { jobIn } from '../../support/rest.ts';
import { BUCKET } from '../sync/support/bench.ts';

const scenario = scenarios();

scenario.concurrent('a job is completed only when everything it leaves is in the bucket', async ({ scene }) => {
  await Promise.all([scene.put('data/a.txt', 'a'), scene.put('data/deep/b.txt', 'b')]);
  const download = scene.hold(({ method, key }) => method === 'GET' && key.endsWith('deep/b.txt'));
  const upload = scene.hold(({ method, key }) => method === 'PUT' && key.endsWith('output/result.txt'));
  const gate = scene.gate('go');
  const agent = await scene.agent('machine');
  const job = await scene.submit({
    script: `cat data/a.txt data/deep/b.txt > output/result.txt; echo 1 > checkpoints/one; ${gate.script}; echo 2 > checkpoints/two`,
    before: ['data'],
    during: ['checkpoints'],
    after: ['output'],
  });

  await job.until(inPhase('DOWNLOADING'));
  download.release();
  await job.until(inPhase('RUNNING'));
  await gate.open();
  await job.until(inPhase('UPLOADING'));
  await upload.arrived;
  expect(await look(scene, job.id)).toMatchObject({ status: 'running', completed: null });
  expect(await scene.keys()).toEqual(['checkpoints/one', 'checkpoints/two', 'data/a.txt', 'data/deep/b.txt']);

  upload.release();
  expect(await job.end()).toMatchObject({
    status: 'COMPLETED',
    numFailures: 0,
    attempts: { nodes: [{ number: 1, machineId: 'machine', outcome: 'COMPLETED' }] },
  });
  expect(await scene.text('output/result.txt')).toBe('ab');
  const phases = (await scene.events(job)).filter(({ type }) => type === 'PHASE_CHANGED');
  expect(phases.map(({ data }) => data['phase'])).toEqual(['DOWNLOADING', 'RUNNING', 'UPLOADING']);

  const next = await scene.submit({
    script: 'echo "left:" $(find data checkpoints output -type f)',
    after: ['data', 'checkpoints', 'output'],
  });
  await next.end();
  expect(await agent.said('left:')).toBe('left:');
});

scenario.concurrent('what the command says of its progress is seen while it runs', async ({ scene }) => {
  const gate = scene.gate('go');
  await scene.agent('machine');
  const job = await scene.submit({
    script: `
      echo '{"fraction": 0.5, "message": "half"}' > $KELPIE_PROGRESS_FILE
      ${gate.script}
      echo '{"fraction": 1, "message": "whole"}' > $KELPIE_PROGRESS_FILE`,
  });
  const live = await job.until(({ progress }) => progress?.message === 'half');
  expect(live).toMatchObject({ status: 'RUNNING', progress: { fraction: 0.5 } });
  await gate.open();
  await job.end();
  expect(await job.until(({ progress }) => progress?.message === 'whole')).toMatchObject({ progress: { fraction: 1 } });
});

scenario.concurrent('the older form of three buckets works in its three directories', async ({ scene }) => {
  const [input, checkpoint, output] = ['in', 'ckpt', 'out'].map((name) => join(scene.folder, name));
  await Promise.all([scene.put('old-in/given.txt', 'given'), scene.put('old-ckpt/state.txt', '41')]);
  await scene.agent('machine', { INPUT_DIR: input!, CHECKPOINT_DIR: checkpoint!, OUTPUT_DIR: output! });
  const script = `
    echo "$(cat $INPUT_DIR/given.txt) $(cat $CHECKPOINT_DIR/state.txt)" > $OUTPUT_DIR/result.txt
    echo 42 > $CHECKPOINT_DIR/state.txt`;
  const { app, ownerKey } = scene.fleet;
  const { status, body } = await app.rest(ownerKey, 'POST', '/jobs', {
    ...{ command: 'sh', arguments: ['-c', script], container_group_id: scene.group },
    ...{ input_bucket: BUCKET, input_prefix: `${scene.prefix}old-in` },
    ...{ checkpoint_bucket: BUCKET, checkpoint_prefix: `${scene.prefix}old-ckpt/` },
    ...{ output_bucket: BUCKET, output_prefix: `${scene.prefix}old-out` },
  });
  expect(status).toBe(202);
  const job = follow(app.socket(ownerKey), jobIn(body).id);
  expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
  expect(await scene.text('old-out/result.txt')).toBe('given 41\n');
  expect(await scene.text('old-ckpt/state.txt')).toBe('42\n');
});

scenario.concurrent('what one job has compressed, the next has expanded', async ({ scene }) => {
  const agent = await scene.agent('machine');
  const job = { compression: true };
  const first = await scene.submit({ ...job, script: 'echo hello > shared/greeting.txt', during: ['shared'] });
  expect(await first.end()).toMatchObject({ status: 'COMPLETED' });
  expect(await scene.keys()).toEqual(['shared/greeting.txt.gz']);
  const stored = await scene.fleet.store.get(`${scene.prefix}shared/greeting.txt.gz`);
  expect(stored.ContentEncoding).toBe('gzip');
  expect([...(await stored.Body!.transformToByteArray()).subarray(0, 2)]).toEqual([0x1f, 0x8b]);

  const second = await scene.submit({
    ...job,
    script: 'echo "names: $(ls shared) text: $(cat shared/greeting.txt)"',
    before: ['shared'],
  });
  expect(await second.end()).toMatchObject({ status: 'COMPLETED' });
  expect(await agent.said('names:')).toBe('names: greeting.txt text: hello');
});

scenario.concurrent('a command has the environment of the container, of the job, and of Kelpie', async ({ scene }) => {
  const agent = await scene.agent('machine', { GIVEN_BY: 'container', LEFT: 'alone', INPUT_DIR: 'my-input' });
  const job = await scene.submit({
    script: 'env | sort; echo the end of env',
    environment: { GIVEN_BY: 'job', INPUT_DIR: 'of the job', KELPIE_ATTEMPT: 'of the job', SAID: 'two\nlines' },
  });
  await job.end();
  await agent.said('the end of env');
  const own = (name: string) => agent.lines.filter((line) => line.startsWith(`${name}=`));
  expect(own('GIVEN_BY')).toEqual(['GIVEN_BY=job']);
  expect(own('LEFT')).toEqual(['LEFT=alone']);
  expect(own('SAID')).toEqual(['SAID=two']);
  expect(own('INPUT_DIR')).toEqual(['INPUT_DIR=my-input']);
  expect(own('OUTPUT_DIR')).toEqual(['OUTPUT_DIR=/output']);
  expect(own('CHECKPOINT_DIR')).toEqual(['CHECKPOINT_DIR=/checkpoint']);
  expect(own('KELPIE_JOB_ID')).toEqual([`KELPIE_JOB_ID=${job.id}`]);
  expect(own('KELPIE_ATTEMPT')).toEqual(['KELPIE_ATTEMPT=1']);
  expect(own('KELPIE_PROGRESS_FILE')).toHaveLength(1);
  expect(own('PWD')).toEqual([`PWD=${agent.folder}`]);
});

scenario.concurrent('an agent that waits is woken by new work', async ({ scene }) => {
  const agent = await scene.agent('machine');
  // The first look after the registration may come twice; after a job the agent just waits.
  await (await scene.submit({ script: 'true' })).end();
  await agent.said('Attempt ends');
  const idle = await agent.said(NO_WORK, 1 + agent.lines.findLastIndex((line) => line.includes('Attempt ends')));
  const submittedAt = agent.lines.length;
  await (await scene.submit({ script: 'true' })).end();
  const begun = await agent.said('Attempt begins', submittedAt);

  const between = agent.lines.slice(submittedAt, agent.lines.indexOf(begun));
  expect(between.filter((line) => line.includes(NO_WORK))).toEqual([]);
  expect(between.filter((line) => line.includes('WORK_AVAILABLE'))).toHaveLength(1);
  // By itself it would have asked again four to six seconds after it had found nothing.
  expect(timeOf(begun) - timeOf(idle)).toBeLessThan(3500);
});

const NO_WORK = '"There is no work"';

function inPhase(phase: string): (state: JobState) => boolean {
  return (state) => state.attempts.nodes[0]?.phase === phase;
}

async function look(scene: Scene, id: string) {
  return jobIn((await scene.fleet.app.rest(scene.fleet.ownerKey, 'GET', `/jobs/${id}`)).body);
}

scenario.concurrent(
  'a file that had to make room for another one of its name is told, though the job completes',
  async ({ scene }) => {
    await scene.agent('machine');
    const entry = (localPath: string) => ({
      bucket: BUCKET,
      prefix: `${scene.prefix}both/`,
      localPath,
      direction: 'UPLOAD',
    });
    const job = await scene.submit({
      script: 'echo checkpoint > ckpt/model; echo result > out/model',
      sync: { during: [entry('ckpt')], after: [entry('out')] },
    });
    expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
    const warned = (await scene.events(job)).filter(({ type }) => type === 'WARNED');
    expect(warned.map(({ data }) => data['message'])).toEqual([
      expect.stringMatching(/out\/model and .*ckpt\/model would both be/),
    ]);
  },
);
