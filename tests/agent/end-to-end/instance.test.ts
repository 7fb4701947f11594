import { readdir } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { expect } from 'vitest';
import { z } from 'zod';
import { UPLOADING_COST } from '../../../agent/occupation.ts';
import { scenarios } from '../../support/fleet.ts';
import { openGateway } from '../../support/gateway.ts';
import { startMetadataService, type TestMetadataService } from '../../support/metadata-service.ts';
import { until } from '../../support/until.ts';

const COST = 'PUT /v1/deletion-cost';
const scenario = scenarios().extend<{ salad: TestMetadataService }>({
  salad: async ({}, use) => {
    const service = await startMetadataService();
    await use(service);
    await service.close();
  },
});

scenario.concurrent('what an agent costs rises while it works, most in the last upload', async ({ scene, salad }) => {
  const gate = scene.gate('go');
  const upload = scene.hold(({ method, key }) => method === 'PUT' && key.endsWith('output/a'));
  await scene.agent('machine', { SALAD_METADATA_URL: salad.url });
  await salad.hears(COST);
  const job = await scene.submit({
    script: `${gate.script}; echo hay > output/a`,
    after: ['output'],
    heartbeatInterval: 2,
  });
  await until('the cost to have risen with some heartbeats', () => salad.costs().length >= 4);
  await gate.open();
  await upload.arrived;
  await until('the cost of the upload', () => salad.costs().at(-1) === UPLOADING_COST);
  upload.release();
  expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
  await until('the agent to be idle', () => salad.costs().at(-1) === 0);

  const [first, ...then] = salad.costs();
  const rising = then.slice(0, -2);
  expect(first).toBe(0);
  expect(rising).toEqual(rising.toSorted((a, b) => a - b));
  expect(rising[0]).toBeGreaterThan(0);
  expect(rising.at(-1)).toBeGreaterThan(rising[0] ?? 0);
  expect(then.slice(-2)).toEqual([UPLOADING_COST, 0]);
  expect(new Set(salad.asked.map(({ what, metadata }) => `${what} ${metadata}`))).toEqual(new Set([`${COST} true`]));
});

scenario.concurrent('who is slow to answer holds up no job', async ({ scene, salad }) => {
  salad.meddle = ({ body }) => (JSON.stringify(body) === '{"deletion_cost":0}' ? false : new Promise(() => undefined));
  await scene.agent('machine', { SALAD_METADATA_URL: salad.url });
  await salad.hears(COST);
  for (let done = 0; done < 2; done++) {
    const job = await scene.submit({ script: 'echo hay > output/a', after: ['output'] });
    expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
  }
  expect(salad.costs().slice(0, 2)).toEqual([0, 1]);
});

const OUTRAGES: ((response: ServerResponse) => unknown)[] = [
  (response) => response.destroy(),
  (response) => response.writeHead(101, { Connection: 'Upgrade', Upgrade: 'other' }).end(),
  (response) => response.writeHead(200, { 'Content-Length': '9' }).write('half'),
  (response) => response.socket?.end('SSH-2.0-other\r\n'),
  (response) => response.writeHead(429, { 'Retry-After': '99999999' }).end(),
];

scenario.concurrent(
  'who answers anything but what he is asked holds up no job and no end',
  async ({ scene, salad }) => {
    const environment = { SALAD_METADATA_URL: salad.url, MAX_JOB_FAILURES: '1' };
    const agent = await scene.agent('outraged', environment);
    await salad.hears(COST);
    let asked = 0;
    salad.meddle = (_asked, response) => {
      OUTRAGES[asked++ % OUTRAGES.length]?.(response);
      return true;
    };
    for (let done = 0; done < 2; done++) {
      const job = await scene.submit({ script: 'echo hay > output/a', after: ['output'] });
      expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
    }
    const broken = await scene.submit({ script: 'exit 1', maxFailures: 1 });
    expect(await broken.end()).toMatchObject({ status: 'FAILED' });
    await agent.said('reallocate it, or lift its bans');
    agent.signal('SIGTERM');
    expect(await agent.ended).toEqual({ code: 0, signal: null });
  },
);

scenario.concurrent('an agent on which too many jobs fail asks for another machine', async ({ scene, salad }) => {
  const agent = await scene.agent('failing', { SALAD_METADATA_URL: salad.url, MAX_JOB_FAILURES: '2' });
  for (let failed = 0; failed < 2; failed++) await scene.submit({ script: 'exit 1', maxFailures: 1 });
  await salad.hears('POST /v1/reallocate');
  expect(salad.reallocations()).toEqual(['Jobs failed on this machine, in a row: 2']);
  await agent.said('another one was asked for in its place');
  const more = await scene.submit({ script: 'exit 0' });
  agent.signal('SIGTERM');
  expect(await agent.ended).toEqual({ code: 0, signal: null });
  expect(await more.until(() => true)).toMatchObject({ status: 'PENDING' });
  expect(salad.reallocations()).toHaveLength(1);
});

scenario.concurrent(
  'an agent that the server gives no more work asks for another machine',
  async ({ scene, salad }) => {
    // All scenes share one account, in which a machine is the same in every group.
    await scene.agent('barred', { SALAD_METADATA_URL: salad.url, MAX_JOB_FAILURES: '0' });
    for (let failed = 0; failed < 5; failed++) await scene.submit({ script: 'exit 1', maxFailures: 1 });
    await salad.hears('POST /v1/reallocate');
    expect(salad.reallocations()).toEqual([
      'The server gives this machine no more jobs, as too many have failed on it',
    ]);
  },
);

scenario.concurrent('a machine is not given up while results are on their way', async ({ scene, salad }) => {
  let keys: string[] | undefined;
  salad.meddle = async ({ what }) => {
    if (what === 'POST /v1/reallocate') keys = await scene.keys();
    return false;
  };
  const upload = scene.hold(({ method, key }) => method === 'PUT' && key.endsWith('output/a'));
  await scene.agent('uploading', { SALAD_METADATA_URL: salad.url, MAX_JOB_FAILURES: '1' });
  const sound = await scene.submit({ script: 'echo hay > output/a', after: ['output'] });
  await upload.arrived;
  const broken = await scene.submit({ script: 'exit 1', maxFailures: 1 });
  expect(await broken.end()).toMatchObject({ status: 'FAILED' });
  expect(keys).toBeUndefined();
  upload.release();
  expect(await sound.end()).toMatchObject({ status: 'COMPLETED' });
  expect(await until('the request', () => keys)).toEqual(['output/a']);
});

scenario.concurrent('each job finds a container of its own, where that is wanted', async ({ scene, salad }) => {
  let keys: string[] = [];
  salad.meddle = async ({ what }) => {
    if (what === 'POST /v1/recreate') keys = await scene.keys();
    return false;
  };
  const environment = { SALAD_METADATA_URL: salad.url, KELPIE_RECREATE_BETWEEN_JOBS: 'true' };
  const agent = await scene.agent('machine', environment);
  const first = await scene.submit({ script: 'echo hay > output/a', after: ['output'] });
  const second = await scene.submit({ script: 'exit 0' });
  await salad.hears('POST /v1/recreate');
  expect(await first.end()).toMatchObject({ status: 'COMPLETED' });
  await agent.said('"isPromised":true');
  expect(keys).toEqual(['output/a']);
  expect(await second.until(() => true)).toMatchObject({ status: 'PENDING' });
  // As a container that is made anew is stopped.
  agent.signal('SIGTERM');
  expect(await agent.ended).toEqual({ code: 0, signal: null });
  expect(salad.asked.filter(({ what }) => what === 'POST /v1/recreate')).toHaveLength(1);
});

scenario.concurrent('a machine that is of no use is given up rather than made anew', async ({ scene, salad }) => {
  const environment = { SALAD_METADATA_URL: salad.url, KELPIE_RECREATE_BETWEEN_JOBS: 'true', MAX_JOB_FAILURES: '1' };
  const agent = await scene.agent('useless', environment);
  await scene.submit({ script: 'exit 1', maxFailures: 1 });
  const demands = () => salad.asked.map(({ what }) => what).filter((what) => what.startsWith('POST'));
  await until('a demand', () => demands().length > 0);
  agent.signal('SIGTERM');
  expect(await agent.ended).toEqual({ code: 0, signal: null });
  expect(demands()).toEqual(['POST /v1/reallocate']);
});

scenario.concurrent('where nobody makes containers anew the agent ends after each job', async ({ scene }) => {
  const environment = { KELPIE_RECREATE_BETWEEN_JOBS: 'true' };
  const jobs = [await scene.submit({ script: 'exit 0' }), await scene.submit({ script: 'exit 0' })];
  for (const [index, job] of jobs.entries()) {
    const agent = await scene.agent(`machine-${index}`, environment);
    expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
    expect(await agent.ended).toEqual({ code: 0, signal: null });
  }
});

scenario.concurrent('an agent ends when there was no work for too long, not while there is', async ({ scene }) => {
  const job = await scene.submit({ script: 'sleep 2.5' });
  const agent = await scene.agent('machine', { MAX_TIME_WITH_NO_WORK_S: '2' });
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', attempts: { nodes: [{ outcome: 'COMPLETED' }] } });
  expect(await agent.ended).toEqual({ code: 0, signal: null });
  await agent.said('No more work is taken');
});

scenario.concurrent('an agent that no server answers has no work either', async ({ scene, onTestFinished }) => {
  const gateway = await openGateway(scene.fleet.app.url);
  onTestFinished(() => gateway.close());
  const agent = await scene.agent('machine', { KELPIE_API_URL: gateway.url, MAX_TIME_WITH_NO_WORK_S: '2' });
  await gateway.close();
  expect(await agent.ended).toEqual({ code: 0, signal: null });
});

const state = z.object({ jobId: z.string(), attempt: z.number(), phase: z.string(), since: z.iso.datetime() });

scenario.concurrent('a command can read what its agent does', async ({ scene }) => {
  const agent = await scene.agent('machine');
  const job = await scene.submit({
    script: 'until grep RUNNING "$KELPIE_STATE_FILE" > output/state; do sleep 0.02; done',
    after: ['output'],
  });
  await job.end();
  const read = state.parse(JSON.parse((await scene.text('output/state')) ?? ''));
  expect(read).toMatchObject({ jobId: job.id, attempt: 1, phase: 'RUNNING' });
  agent.signal('SIGTERM');
  await agent.ended;
  // The temporary folder is the machine's, and its folders go with the agent.
  expect(await readdir(scene.folder)).toEqual(['machine']);
});
