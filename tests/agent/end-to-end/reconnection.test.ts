import { expect } from 'vitest';
import { createApp } from '../../../server/app.ts';
import { createLog } from '../../../server/log.ts';
import { openLink } from '../../chaos/proxy.ts';
import { type Scene, scenarios } from '../../support/fleet.ts';
import { jobIn } from '../../support/rest.ts';
import { until } from '../../support/until.ts';

// Each of these stops the server, so they come one after the other.
const scenario = scenarios();

scenario('a command goes on while its server restarts, and its attempt completes', async ({ scene }) => {
  const gate = scene.gate('go');
  const agent = await scene.agent('machine');
  const job = await scene.submit({
    script: `echo ready; ${gate.script}; echo done > output/result`,
    after: ['output'],
  });
  await agent.said('ready');
  const startAgain = await stopServer(scene);
  await agent.said('Not connected to the server');
  await startAgain();
  await agent.said('"msg":"Registered"', indexOf(agent.lines, 'Not connected'));
  expect(await statusOf(scene, job.id)).toBe('running');

  await gate.open();
  await until('the completion', async () => (await statusOf(scene, job.id)) === 'completed');
  expect(await attemptsOf(scene, job.id)).toEqual([{ number: 1, outcome: 'COMPLETED' }]);
  expect(await scene.text('output/result')).toBe('done\n');
  expect(agent.lines.filter((line) => line === 'ready')).toHaveLength(1);
});

scenario('an end that comes while there is no server is reported to the next one', async ({ scene }) => {
  const gate = scene.gate('go');
  const agent = await scene.agent('machine');
  // It leaves nothing to upload: for that the agent would soon need a server again, to prove its lease.
  const job = await scene.submit({ script: `echo ready; ${gate.script}` });
  await agent.said('ready');
  const startAgain = await stopServer(scene);
  await gate.open();
  await agent.said('Attempt ends');

  await startAgain();
  await until('the completion', async () => (await statusOf(scene, job.id)) === 'completed');
  expect(await attemptsOf(scene, job.id)).toEqual([{ number: 1, outcome: 'COMPLETED' }]);
});

scenario('an attempt survives its server, and writes on under the next one', async ({ scene, onTestFinished }) => {
  const { core, url } = scene.fleet.app;
  let port = Number(new URL(url).port);
  const line = await openLink(() => port);
  onTestFinished(() => line.close());
  const gate = scene.gate('go');
  const agent = await scene.agent('machine', { KELPIE_API_URL: `http://127.0.0.1:${line.port}` });
  const job = await scene.submit({
    script: `echo one > checkpoints/one; ${gate.script}; echo two > checkpoints/two`,
    during: ['checkpoints'],
  });
  await until('the first checkpoint', async () => (await scene.keys()).length === 1);

  const second = createApp({ core, log: createLog('silent') });
  onTestFinished(() => second.stop());
  port = Number(new URL(await second.start({ host: '127.0.0.1', port: 0 })).port);
  line.set({ is: 'CUT' });
  await agent.said('Not connected to the server');
  line.set({ is: 'OPEN' });
  await agent.said('"msg":"Registered"', indexOf(agent.lines, 'Not connected'));
  await gate.open();
  const state = await job.end();
  expect(state).toMatchObject({ status: 'COMPLETED', attempts: { nodes: [{ outcome: 'COMPLETED' }] } });
  expect(await scene.keys()).toEqual(['checkpoints/one', 'checkpoints/two']);
});

/** @returns what starts another server at the same address */
async function stopServer({ fleet }: Scene): Promise<() => Promise<void>> {
  const { core, url } = fleet.app;
  await fleet.app.app.stop();
  return async () => {
    fleet.app.app = createApp({ core, log: createLog('silent') });
    await fleet.app.app.start({ host: '127.0.0.1', port: Number(new URL(url).port) });
  };
}

async function statusOf({ fleet }: Scene, id: string): Promise<string> {
  return jobIn((await fleet.app.rest(fleet.ownerKey, 'GET', `/jobs/${id}`)).body).status;
}

function attemptsOf({ fleet }: Scene, id: string) {
  return fleet.app.database.query('select number, outcome from attempts where job_id = $1 order by number', [id]);
}

function indexOf(lines: readonly string[], text: string): number {
  return lines.findIndex((line) => line.includes(text));
}
