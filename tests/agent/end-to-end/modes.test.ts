import { expect } from 'vitest';
import { type TestAgent, scenarios, timeOf } from '../../support/fleet.ts';
import { openGateway } from '../../support/gateway.ts';
import { processRuns } from '../../support/program.ts';
import { until } from '../../support/until.ts';

const scenario = scenarios();

scenario.concurrent('an agent without websockets works by plain requests', async ({ scene, onTestFinished }) => {
  const gateway = await openGateway(scene.fleet.app.url);
  onTestFinished(() => gateway.close());
  gateway.websockets = 'REFUSED';
  await scene.put('data/a', 'hay');
  const agent = await scene.agent('machine', { KELPIE_API_URL: gateway.url });
  const job = await scene.submit({
    script: 'cat data/a > output/b',
    before: ['data'],
    during: ['checkpoints'],
    after: ['output'],
  });
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', attempts: { nodes: [{ outcome: 'COMPLETED' }] } });
  expect(await scene.text('output/b')).toBe('hay');

  const canceled = await scene.submit({ script: 'trap "echo asked; exit 1" TERM; echo "pid $$"; sleep 60 & wait' });
  const pid = Number((await agent.said('pid ')).slice(4));
  await scene.cancel(canceled);
  const canceledAt = Date.now();
  // There is nobody to signal it: the next heartbeat tells, and that it was a cancel, so the command is asked to end.
  const ended = timeOf(await agent.said('"kind":"CANCELED"'));
  expect(ended - canceledAt).toBeLessThan(7000);
  await agent.said('asked');
  expect(processRuns(pid)).toBe(false);
});

scenario.concurrent('an agent goes back to websockets when they get through', async ({ scene, onTestFinished }) => {
  const gateway = await openGateway(scene.fleet.app.url);
  onTestFinished(() => gateway.close());
  gateway.websockets = 'REFUSED';
  const gate = scene.gate('go');
  const agent = await scene.agent('machine', { KELPIE_API_URL: gateway.url });
  const job = await scene.submit({
    script: `echo ready; ${gate.script}; echo done > checkpoints/done`,
    during: ['checkpoints'],
  });
  await agent.said('ready');
  gateway.websockets = 'OPEN';
  await agent.said('A websocket gets through to the server again');
  await agent.said('"WORK_AVAILABLE"');
  await gate.open();
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', attempts: { nodes: [{ outcome: 'COMPLETED' }] } });
  expect(await scene.text('checkpoints/done')).toBe('done\n');
});

scenario.concurrent('a claim whose answer is lost is the same claim again', async ({ scene, onTestFinished }) => {
  const gateway = await openGateway(scene.fleet.app.url);
  onTestFinished(() => gateway.close());
  let isLost = false;
  gateway.hangUpOn = (message) => {
    if (isLost || !message.includes('"__typename":"Claim"')) return false;
    isLost = true;
    return true;
  };
  const agent = await scene.agent('machine', { KELPIE_API_URL: gateway.url });
  const job = await scene.submit({ script: 'echo $KELPIE_ATTEMPT > output/attempt', after: ['output'] });
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
  expect(isLost).toBe(true);
  expect(await scene.text('output/attempt')).toBe('1\n');
  expect(agent.lines.filter((line) => line.includes('Attempt begins'))).toHaveLength(1);
});

scenario.concurrent('an agent that is drained saves what there is, gives its job back, and ends', async ({ scene }) => {
  const agent = await scene.agent('machine-a');
  const job = await scene.submit({
    script: `
      if [ -e checkpoints/last ]; then exit 0; fi
      trap 'echo saved > checkpoints/last; exit 0' TERM
      echo ready; while :; do sleep 0.05; done`,
    before: ['checkpoints'],
    during: ['checkpoints'],
  });
  await agent.said('ready');
  const { app, ownerKey } = scene.fleet;
  const answer = await app.graphql(ownerKey, 'mutation ($id: ID!) { drainAgent(id: $id) { __typename } }', {
    id: agentIdOf(agent),
  });
  expect(answer).toEqual({ data: { drainAgent: { __typename: 'Agent' } } });
  expect(await agent.ended).toEqual({ code: 0, signal: null });
  const { attempts } = await job.until(({ numInterruptions }) => numInterruptions === 1);
  expect(attempts.nodes).toMatchObject([{ outcome: 'RELEASED' }]);
  expect(attempts.nodes[0]?.reason).toMatch(/^The server asked (the agent to leave|for the job back)\.$/);
  expect(await scene.text('checkpoints/last')).toBe('saved\n');

  await scene.agent('machine-b');
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', numFailures: 0 });
});

scenario.concurrent(
  'an agent that is drained uploads what its command has saved, however long that takes: the machine stays',
  async ({ scene }) => {
    const agent = await scene.agent('machine', { KELPIE_SHUTDOWN_GRACE_S: '0.3', KELPIE_UPLOAD_GRACE_S: '0.1' });
    const upload = scene.hold(({ method, body }) => method === 'PUT' && body.toString() === 'saved\n');
    const job = await scene.submit({
      script: `trap 'echo saved > checkpoints/last; exit 0' TERM; echo ready; while :; do sleep 0.05; done`,
      during: ['checkpoints'],
      heartbeatInterval: 1,
    });
    await agent.said('ready');
    const { app, ownerKey } = scene.fleet;
    await app.graphql(ownerKey, 'mutation ($id: ID!) { drainAgent(id: $id) { __typename } }', { id: agentIdOf(agent) });
    await upload.arrived;
    const heartbeats = async () => {
      const query = 'select num_heartbeats from attempts where job_id = $1';
      return (await app.database.query<{ num_heartbeats: number }>(query, [job.id]))[0]?.num_heartbeats ?? 0;
    };
    // One a second at most: by the third the grace of a signal would long be over.
    const before = await heartbeats();
    await until('three heartbeats', async () => (await heartbeats()) >= before + 3);
    upload.release();
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    expect(await scene.text('checkpoints/last')).toBe('saved\n');
    expect(await job.until(({ numInterruptions }) => numInterruptions === 1)).toMatchObject({ status: 'PENDING' });
  },
);

scenario.concurrent('an idle agent without websockets is drained as well', async ({ scene, onTestFinished }) => {
  const gateway = await openGateway(scene.fleet.app.url);
  onTestFinished(() => gateway.close());
  gateway.websockets = 'REFUSED';
  const agent = await scene.agent('machine', { KELPIE_API_URL: gateway.url });
  await agent.said('There is no work');
  const { app, ownerKey } = scene.fleet;
  await app.graphql(ownerKey, 'mutation ($id: ID!) { drainAgent(id: $id) { __typename } }', { id: agentIdOf(agent) });
  expect(await agent.ended).toEqual({ code: 0, signal: null });
});

scenario.concurrent('a machine that is banned from five jobs says so, and asks for no more', async ({ scene }) => {
  // All scenes share one account, in which a machine is the same in every group.
  const agent = await scene.agent('broken');
  for (let failed = 0; failed < 5; failed++) await scene.submit({ script: 'exit 1', maxFailures: 1 });
  await agent.said('Too many jobs have failed on this machine');
  const more = await scene.submit({ script: 'exit 0' });
  await scene.agent('sound');
  const state = await more.end();
  expect(state).toMatchObject({ status: 'COMPLETED', attempts: { nodes: [{ number: 1 }] } });
  const barred = agent.lines.findIndex((line) => line.includes('Too many jobs have failed on this machine'));
  expect(agent.lines.slice(barred).filter((line) => line.includes('Attempt begins'))).toEqual([]);
});

scenario.concurrent('a command that shows no sign of life is stalled', async ({ scene }) => {
  const agent = await scene.agent('machine');
  const job = await scene.submit({
    script: 'echo "pid $$"; echo half > checkpoints/half; sleep 60',
    during: ['checkpoints'],
    stallTimeoutSeconds: 1,
    maxFailures: 1,
  });
  const state = await job.end();
  expect(state).toMatchObject({ status: 'FAILED', attempts: { nodes: [{ outcome: 'TIMED_OUT' }] } });
  expect(state.attempts.nodes[0]?.reason).toMatch(/^stalled: .* for 1 s\.$/);
  expect(processRuns(Number((await agent.said('pid ')).slice(4)))).toBe(false);
});

scenario.concurrent.for([
  ['says something', 'echo still here'],
  ['reports progress', `echo "{\\"fraction\\": 0.$i}" > $KELPIE_PROGRESS_FILE`],
  ['publishes files', 'echo $i > checkpoints/$i'],
] as const)('a command is not stalled while it %s', async ([, sign], { scene }) => {
  await scene.agent('machine');
  const job = await scene.submit({
    script: `for i in 1 2 3 4 5 6 7; do ${sign}; sleep 0.6; done`,
    during: ['checkpoints'],
    stallTimeoutSeconds: 3,
    maxFailures: 1,
  });
  expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
});

function agentIdOf(agent: TestAgent): string {
  const line = agent.lines.find((text) => text.includes('"msg":"Registered"')) ?? '';
  return /"agentId":"([^"]+)"/.exec(line)?.[1] ?? '';
}
