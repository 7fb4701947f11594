import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { z } from 'zod';
import { scenarios, timeOf } from '../../support/fleet.ts';
import { processRuns } from '../../support/program.ts';
import { startReceiver } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';

const scenario = scenarios();

scenario.concurrent(
  'a bucket that is missing ends the attempt before the command, and the agent rests',
  async ({ scene }) => {
    const agent = await scene.agent('machine');
    const job = await scene.submit({
      script: 'touch ../ran',
      sync: { before: [{ bucket: 'nowhere', prefix: scene.prefix, localPath: 'data', direction: 'DOWNLOAD' }] },
    });
    const state = await job.until(({ numSyncFailures }) => numSyncFailures === 3);
    expect(state).toMatchObject({ status: 'PENDING', numFailures: 0, numInterruptions: 0 });
    for (const attempt of state.attempts.nodes) {
      expect(attempt).toMatchObject({ outcome: 'SYNC_FAILED', exitCode: null });
      expect(attempt.reason).toMatch(/nowhere.*could not be listed/);
    }
    await expect(access(join(scene.folder, 'ran'))).rejects.toThrow('ENOENT');

    const events = await scene.events(job);
    const restBefore = (attempt: number) => {
      const claimed = events.find((event) => event.type === 'CLAIMED' && event.attempt === attempt);
      const ended = events.find((event) => event.type === 'ATTEMPT_ENDED' && event.attempt === attempt - 1);
      return claimed!.at.getTime() - ended!.at.getTime();
    };
    expect(restBefore(2)).toBeGreaterThanOrEqual(500);
    expect(restBefore(3)).toBeGreaterThanOrEqual(1000);

    const resting = await agent.said('"setbacks":3');
    agent.signal('SIGTERM');
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    const over = await agent.said('No more work is taken');
    const { millis } = z.object({ millis: z.number() }).parse(JSON.parse(resting));
    expect(timeOf(over) - timeOf(resting)).toBeLessThan(millis);
  },
);

scenario.concurrent('a command never starts from half of its data', async ({ scene }) => {
  await Promise.all([scene.put('data/a', 'a'), scene.put('data/b', 'b')]);
  let isBroken = true;
  scene.interfere(async ({ method, key }) =>
    isBroken && method === 'GET' && key.endsWith('data/b') ? 403 : undefined,
  );
  const agent = await scene.agent('machine');
  const job = await scene.submit({ script: 'echo "data: $(cat data/*)"', before: ['data'] });
  await job.until(({ numSyncFailures }) => numSyncFailures === 1);
  isBroken = false;
  const { attempts } = await job.end();
  expect(attempts.nodes).toMatchObject([{ outcome: 'SYNC_FAILED' }, { outcome: 'COMPLETED' }]);
  expect(attempts.nodes[0]?.reason).toMatch(/data\/b" could not be downloaded/);
  expect(agent.lines.filter((line) => line.startsWith('data:'))).toEqual(['data: ab']);
});

scenario.concurrent(
  'a command that cannot be started is said to be so, and where it was looked for',
  async ({ scene }) => {
    const agent = await scene.agent('machine');
    await writeFile(join(agent.folder, 'data.txt'), 'not a program', { mode: 0o644 });
    const absent = await scene.submit({ script: '', command: 'no-such-program', maxFailures: 1 });
    const barred = await scene.submit({ script: '', command: './data.txt', maxFailures: 1 });

    expect(await absent.end()).toMatchObject({ status: 'FAILED', numFailures: 1, numSyncFailures: 0 });
    const [first] = (await absent.end()).attempts.nodes;
    expect(first).toMatchObject({ outcome: 'FAILED', exitCode: null, signal: null });
    expect(first?.reason).toContain(`"no-such-program" could not be started`);
    expect(first?.reason).toContain(`PATH=${process.env['PATH'] ?? ''}`);
    const [second] = (await barred.end()).attempts.nodes;
    expect(second).toMatchObject({ outcome: 'FAILED', exitCode: null, signal: null });
    expect(second?.reason).toMatch(/"\.\/data\.txt" could not be started: permission denied/);
    expect(second?.reason).toContain(agent.folder);
  },
);

scenario.concurrent(
  'a failure is told with its code and last words, and costs the machine the job',
  async ({ scene, onTestFinished }) => {
    const receiver = await startReceiver();
    onTestFinished(() => receiver.close());
    const [a] = await Promise.all([scene.agent('machine-a'), scene.agent('machine-b')]);
    const job = await scene.submit({
      script: 'echo $KELPIE_ATTEMPT > checkpoints/last; echo not this >&1; echo "out of hay" >&2; exit 3',
      during: ['checkpoints'],
      maxFailures: 2,
      webhook: `${receiver.url}/told`,
    });

    const state = await job.end();
    expect(state).toMatchObject({ status: 'FAILED', numFailures: 2, numInterruptions: 0 });
    expect(state.attempts.nodes.map(({ machineId }) => machineId).sort()).toEqual(['machine-a', 'machine-b']);
    for (const attempt of state.attempts.nodes) {
      expect(attempt).toMatchObject({ outcome: 'FAILED', exitCode: 3, signal: null });
      expect(attempt.reason).toBe('The command exited with code 3. Last lines of stderr:\nout of hay');
    }
    expect(await scene.text('checkpoints/last')).toBe('2\n');
    const bans = await scene.fleet.app.database.query('select machine_id from bans where job_id = $1', [job.id]);
    expect(bans).toHaveLength(2);

    const told = await until('the webhook of the failure', () =>
      receiver.received
        .map(({ body }) => JSON.parse(body) as object)
        .find((body) => 'status' in body && body.status === 'failed'),
    );
    expect(told).toMatchObject({ job_id: job.id, container_group_id: scene.group });
    expect(receiver.received.map(({ headers }) => headers['x-kelpie-key'])).toContain(scene.fleet.ownerKey);
    expect(a.lines.filter((line) => line === 'out of hay')).toHaveLength(1);
  },
);

scenario.concurrent('a command that somebody else kills has failed by that signal', async ({ scene }) => {
  await scene.agent('machine');
  const job = await scene.submit({ script: 'kill -KILL $$', maxFailures: 1 });
  const state = await job.end();
  expect(state).toMatchObject({ status: 'FAILED', attempts: { nodes: [{ outcome: 'FAILED', signal: 'SIGKILL' }] } });
  expect(state.attempts.nodes[0]?.reason).toMatch(/ended by SIGKILL, which this agent did not send/);
});

scenario.concurrent('a command that is out of time is ended, and killed if it does not heed', async ({ scene }) => {
  const agent = await scene.agent('machine');
  const job = await scene.submit({
    script: `trap 'echo asked' TERM; echo "pid $$"; echo half > checkpoints/half; while :; do sleep 0.05; done`,
    during: ['checkpoints'],
    timeoutSeconds: 1,
    maxFailures: 1,
  });
  const state = await job.end();
  expect(state).toMatchObject({ status: 'FAILED', numFailures: 1, attempts: { nodes: [{ outcome: 'TIMED_OUT' }] } });
  expect(state.attempts.nodes[0]?.reason).toContain('its timeout of 1 s');
  expect(await agent.said('asked')).toBe('asked');
  expect(processRuns(Number((await agent.said('pid ')).slice(4)))).toBe(false);
  expect(await scene.text('checkpoints/half')).toBe('half\n');
});

scenario.concurrent('a job whose upload keeps failing is not completed until one succeeds', async ({ scene }) => {
  let isBroken = true;
  let refused = 0;
  scene.interfere(async ({ method }) => {
    if (!isBroken || method !== 'PUT') return undefined;
    refused += 1;
    return 500;
  });
  await scene.agent('machine');
  const job = await scene.submit({ script: 'echo $KELPIE_ATTEMPT > output/result', after: ['output'] });
  const state = await job.until(({ numSyncFailures }) => numSyncFailures === 1);
  expect(state.status).not.toBe('COMPLETED');
  expect(state.attempts.nodes[0]).toMatchObject({ outcome: 'SYNC_FAILED' });
  expect(state.attempts.nodes[0]?.reason).toMatch(/"result" could not be uploaded/);
  // MAX_RETRIES is 1.
  expect(refused).toBe(2);
  expect(await scene.keys()).toEqual([]);

  isBroken = false;
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', numFailures: 0 });
  expect(await scene.text('output/result')).toBe('2\n');
});
