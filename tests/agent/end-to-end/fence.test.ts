import { expect } from 'vitest';
import { openLink } from '../../chaos/proxy.ts';
import { type Scene, type TestAgent, scenarios, timeOf } from '../../support/fleet.ts';
import type { FollowedJob } from '../../support/follow.ts';
import { processRuns } from '../../support/program.ts';
import { until } from '../../support/until.ts';

const scenario = scenarios();

/** Publishes without end what the attempt is, under one name and under a name of its own; the second attempt is content with a while. */
const RESTLESS = `
  echo "pid $KELPIE_ATTEMPT $$"
  i=0
  until [ $KELPIE_ATTEMPT = 2 ] && [ $i -gt 20 ]; do
    i=$((i + 1))
    for name in latest attempt-$KELPIE_ATTEMPT; do
      echo "attempt $KELPIE_ATTEMPT, change $i" > checkpoints/.$name; mv checkpoints/.$name checkpoints/$name
    done
    sleep 0.05
  done`;

scenario.concurrent('an agent that was frozen for three leases changes nothing when it wakes', async ({ scene }) => {
  const zombie = await scene.agent('machine-a');
  const job = await scene.submit({ script: RESTLESS, during: ['checkpoints'], heartbeatInterval: 1 });
  const pid = await pidOf(zombie, 1);
  await uploaded(scene, 'checkpoints/attempt-1');
  zombie.signalAll('SIGSTOP');
  const frozenAt = performance.now();
  await scene.agent('machine-b');
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 1 });
  await until('three leases to pass', () => performance.now() - frozenAt > 6000);

  const before = await everything(scene, job);
  const log = zombie.lines.length;
  zombie.signalAll('SIGCONT');
  await until('the end of the command', () => !processRuns(pid), 2000);
  await zombie.said('"kind":"LEASE_LOST"', log);
  expect(zombie.lines.slice(log).join('\n')).toContain('This process was frozen');
  // It is as good as any other agent again.
  const next = await scene.submit({ script: 'echo back' });
  await next.end();
  zombie.signal('SIGTERM');
  expect(await zombie.ended).toEqual({ code: 0, signal: null });
  expect(await everything(scene, job)).toEqual(before);
});

scenario.concurrent(
  'an agent that is cut off from the server stops writing before another one takes over',
  async ({ scene, onTestFinished }) => {
    const line = await openLink(() => Number(new URL(scene.fleet.app.url).port));
    onTestFinished(async () => {
      // While the line is held, what waits on it would keep it from closing.
      line.set({ is: 'CUT' });
      await line.close();
    });
    const cut = await scene.agent('machine-a', { KELPIE_API_URL: `http://127.0.0.1:${line.port}` });
    const job = await scene.submit({ script: RESTLESS, during: ['checkpoints'] });
    const pid = await pidOf(cut, 1);
    await uploaded(scene, 'checkpoints/attempt-1');
    const other = await scene.agent('machine-b');
    line.set({ is: 'HELD' });
    const cutAt = Date.now();

    const suspended = timeOf(await cut.said('There is no proof of the lease'));
    // Its storage could still be reached: only the fence keeps it from there.
    const requests = requestsFor(scene, 'attempt-1');
    expect(suspended - cutAt).toBeLessThan(5000);
    const claimed = timeOf(await other.said('Attempt begins'));
    expect(claimed - cutAt).toBeGreaterThan(5000);
    expect(claimed - cutAt).toBeLessThan(13_000);
    expect(processRuns(pid)).toBe(true);
    expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 1 });
    expect(requestsFor(scene, 'attempt-1')).toBe(requests);

    const before = await everything(scene, job);
    line.set({ is: 'OPEN' });
    await cut.said('"kind":"LEASE_LOST"');
    await until('the end of the command', () => !processRuns(pid));
    expect(requestsFor(scene, 'attempt-1')).toBe(requests);
    expect(await everything(scene, job)).toEqual(before);
  },
);

async function pidOf(agent: TestAgent, attempt: number): Promise<number> {
  const prefix = `pid ${attempt} `;
  return Number((await agent.said(prefix)).slice(prefix.length));
}

async function uploaded(scene: Scene, key: string): Promise<void> {
  await until(`${key} in the bucket`, async () => (await scene.keys()).includes(key));
}

/** How often something was asked of the store about keys with this text, reading and cleaning up apart. */
function requestsFor(scene: Scene, text: string): number {
  const { seen } = scene.fleet.store.relay;
  return seen.filter(({ method, key }) => method === 'PUT' && key.startsWith(scene.prefix) && key.includes(text))
    .length;
}

/** Every byte in the bucket, and every row of the job. */
async function everything(scene: Scene, { id }: FollowedJob) {
  const { database } = scene.fleet.app;
  const keys = await scene.keys();
  const rows = await Promise.all([
    database.query('select * from jobs where id = $1', [id]),
    database.query('select * from attempts where job_id = $1 order by number', [id]),
    database.query('select * from job_events where job_id = $1 order by seq', [id]),
    database.query('select * from bans where job_id = $1', [id]),
  ]);
  return { objects: await Promise.all(keys.map(async (key) => [key, await scene.text(key)])), rows };
}
