import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { registerAgent } from '../../../core/agents/register.ts';
import { claimJob } from '../../../core/leases/claim.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { ADMIN_KEY } from '../../support/core.ts';
import { jobIn, jobsIn, submission } from '../../support/rest.ts';

let app: TestApp;
let key: string;
let group: string;
let groups = 0;

beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

async function fresh() {
  key = (await app.account()).secret;
  group = `group-${++groups}`;
}

async function submit(part: object = {}) {
  const { body } = await app.rest(key, 'POST', '/jobs', submission({ container_group_id: group, ...part }));
  return jobIn(body).id;
}

const look = async (id: string) => jobIn((await app.rest(key, 'GET', `/jobs/${id}`)).body);

async function claim(machine: string) {
  const { status, body } = await app.rest(key, 'GET', `/work?machine_id=${machine}&container_group_id=${group}`);
  expect(status).toBe(200);
  return jobsIn(body).map((job) => job.id);
}

async function report(verb: 'heartbeat' | 'completed' | 'failed', id: string, machine: string, inGroup = group) {
  const worker = { machine_id: machine, container_group_id: inGroup };
  const { status, body } = await app.rest(key, 'POST', `/jobs/${id}/${verb}`, worker);
  return [status, body] as const;
}

/** Makes the lease of a running job run out, and waits until the server has noticed. */
async function loseLease(id: string) {
  await app.database.query(`update attempts set lease_expires_at = now() - interval '1 second' where job_id = $1`, [
    id,
  ]);
  await vi.waitUntil(async () => (await look(id)).status === 'pending', { timeout: 10_000, interval: 20 });
}

/** What a polling worker is, in a few lines of fetch, as people have written them against the public service. */
async function pollingWorker(machine: string, run: () => boolean) {
  const headers = { 'X-Kelpie-Key': key };
  const worker = JSON.stringify({ machine_id: machine, container_group_id: group });
  const work = await fetch(`${app.url}/work?machine_id=${machine}&container_group_id=${group}`, { headers });
  const [job] = (await work.json()) as { id: string }[];
  if (job === undefined) return 'idle';
  const beat = await fetch(`${app.url}/jobs/${job.id}/heartbeat`, { method: 'POST', headers, body: worker });
  if (((await beat.json()) as { status: string }).status === 'canceled') return 'canceled';
  const ending = run() ? 'completed' : 'failed';
  await fetch(`${app.url}/jobs/${job.id}/${ending}`, { method: 'POST', headers, body: worker });
  return ending;
}

test('a polling worker drives a job through failure on one machine to completion on another', async () => {
  await fresh();
  const id = await submit();
  expect(await pollingWorker('a', () => false)).toBe('failed');
  expect(await look(id)).toMatchObject({ status: 'pending', num_failures: 1, machine_id: 'a', attempt: 1 });
  expect(await pollingWorker('a', () => true)).toBe('idle');
  expect(await pollingWorker('b', () => true)).toBe('completed');
  const job = await look(id);
  expect(job).toMatchObject({ status: 'completed', num_failures: 1, machine_id: 'b', attempt: 2, failed: null });
  expect([job.started, job.heartbeat, job.completed]).not.toContain(null);
  expect(await pollingWorker('b', () => true)).toBe('idle');
});

describe('GET /work', () => {
  test('hands out a job once, and it runs from then on', async () => {
    await fresh();
    const id = await submit();
    const claims = await Promise.all(['a', 'b', 'c', 'd'].map(claim));
    expect(claims.flat()).toEqual([id]);
    const job = await look(id);
    expect(job).toMatchObject({ status: 'running', attempt: 1, heartbeat: null });
    expect(job.started).not.toBeNull();
  });

  test('gives nothing of another group or another account', async () => {
    await fresh();
    await submit({ container_group_id: 'elsewhere' });
    expect(await claim('a')).toEqual([]);
    const mine = group;
    await submit();
    await fresh();
    group = mine;
    expect(await claim('a')).toEqual([]);
  });

  test('claims nothing for a HEAD, whose answer would be lost', async () => {
    await fresh();
    const id = await submit();
    const url = `${app.url}/work?machine_id=a&container_group_id=${group}`;
    expect((await fetch(url, { method: 'HEAD', headers: { 'X-Kelpie-Key': key } })).status).toBe(200);
    expect((await look(id)).status).toBe('pending');
  });
});

describe('a report', () => {
  test('of the holder is recorded; repeating it is safe', async () => {
    await fresh();
    const id = await submit();
    await claim('a');
    expect(await report('heartbeat', id, 'a')).toEqual([200, { status: 'running' }]);
    expect((await look(id)).heartbeat).not.toBeNull();
    expect(await report('completed', id, 'a')).toEqual([200, { message: 'Completed reported', recorded: true }]);
    expect(await report('completed', id, 'a')).toEqual([200, { message: 'Completed reported', recorded: true }]);
    expect(await report('heartbeat', id, 'a')).toEqual([200, { status: 'canceled' }]);
  });

  test.each([
    ['another machine', 'b', undefined],
    ['the same machine in another group', 'a', 'another group'],
  ])('of %s changes nothing', async (_, machine, inGroup) => {
    await fresh();
    const id = await submit();
    await claim('a');
    const before = await look(id);
    expect(await report('heartbeat', id, machine, inGroup)).toEqual([200, { status: 'canceled' }]);
    expect(await report('completed', id, machine, inGroup)).toMatchObject([200, { recorded: false }]);
    expect(await report('failed', id, machine, inGroup)).toEqual([
      202,
      { message: 'Failure reported', recorded: false },
    ]);
    expect(await look(id)).toEqual(before);
  });

  test('about a job that was never handed out changes nothing', async () => {
    await fresh();
    const id = await submit();
    expect(await report('heartbeat', id, 'a')).toEqual([200, { status: 'canceled' }]);
    expect(await report('completed', id, 'a')).toMatchObject([200, { recorded: false }]);
    expect((await look(id)).status).toBe('pending');
  });

  test('changes nothing where an agent of the same machine holds the job', async () => {
    const { viewer, secret } = await app.account();
    key = secret;
    const id = await submit();
    const identity = { machineId: 'a', containerGroupId: group };
    const session = { sessionId: randomUUID(), version: null, hardware: null };
    const agent = await registerAgent(app.core, viewer, { ...identity, ...session });
    await claimJob(app.core, viewer, { ...identity, agentId: agent.id });
    expect(await report('heartbeat', id, 'a')).toEqual([200, { status: 'canceled' }]);
    expect(await report('completed', id, 'a')).toMatchObject([200, { recorded: false }]);
    expect((await look(id)).status).toBe('running');
  });

  test('after a cancel tells the worker, and the cancel stands', async () => {
    await fresh();
    const id = await submit();
    await claim('a');
    await app.rest(key, 'DELETE', `/jobs/${id}`);
    expect(await report('heartbeat', id, 'a')).toEqual([200, { status: 'canceled' }]);
    expect(await report('completed', id, 'a')).toMatchObject([200, { recorded: false }]);
    expect(await report('failed', id, 'a')).toMatchObject([202, { recorded: false }]);
    expect(await look(id)).toMatchObject({ status: 'canceled', num_failures: 0 });
  });

  test.each([
    [
      'its queue was purged after its lease ran out',
      async () => app.rest(key, 'DELETE', `/jobs/container-groups/${group}`),
    ],
    ['all jobs were cleared', async () => app.rest(ADMIN_KEY, 'DELETE', '/jobs')],
  ])(
    'about a job that is gone because %s is answered as of one that has ended, and to nobody else',
    async (_, clear) => {
      await fresh();
      const id = await submit();
      await claim('a');
      await loseLease(id);
      expect((await clear()).status).toBeLessThan(300);
      expect((await app.rest(key, 'GET', `/jobs/${id}`)).status).toBe(404);
      expect(await report('heartbeat', id, 'a')).toEqual([200, { status: 'canceled' }]);
      expect(await report('completed', id, 'a')).toMatchObject([200, { recorded: false }]);
      expect(await report('failed', id, 'a')).toMatchObject([202, { recorded: false }]);
      const never = randomUUID();
      await fresh();
      const [gone, unknown] = [await report('heartbeat', id, 'a'), await report('heartbeat', never, 'a')];
      expect(gone[0]).toBe(404);
      expect(JSON.stringify(gone).replaceAll(id, never)).toBe(JSON.stringify(unknown));
    },
  );

  test('of failure, as often as the job may fail, fails it', async () => {
    await fresh();
    const id = await submit({ max_failures: 2 });
    for (const machine of ['a', 'b']) {
      expect(await claim(machine)).toEqual([id]);
      expect(await report('failed', id, machine)).toMatchObject([202, { recorded: true }]);
    }
    const job = await look(id);
    expect(job).toMatchObject({ status: 'failed', num_failures: 2 });
    expect(job.status_reason).toContain('polling worker');
    expect(await claim('c')).toEqual([]);
  });
});

describe('a worker whose lease ran out', () => {
  test('gets it back by a heartbeat while nobody else has the job', async () => {
    await fresh();
    const id = await submit();
    await claim('a');
    await loseLease(id);
    expect((await look(id)).num_interruptions).toBe(1);
    expect(await report('heartbeat', id, 'a')).toEqual([200, { status: 'running' }]);
    expect(await look(id)).toMatchObject({ status: 'running', machine_id: 'a', num_interruptions: 0 });
  });

  test('may still complete while nobody else has the job', async () => {
    await fresh();
    const id = await submit();
    await claim('a');
    await loseLease(id);
    expect(await report('completed', id, 'a')).toMatchObject([200, { recorded: true }]);
    expect((await look(id)).status).toBe('completed');
  });

  test('is too late when another machine has the job', async () => {
    await fresh();
    const id = await submit();
    await claim('a');
    await loseLease(id);
    expect(await claim('b')).toEqual([id]);
    expect(await report('heartbeat', id, 'a')).toEqual([200, { status: 'canceled' }]);
    expect(await report('completed', id, 'a')).toMatchObject([200, { recorded: false }]);
    expect(await report('failed', id, 'a')).toMatchObject([202, { recorded: false }]);
    expect(await look(id)).toMatchObject({ status: 'running', machine_id: 'b', num_failures: 0 });
  });
});

describe('many claimers of one group', () => {
  test('20 polling workers and 20 agents never get the same job', async () => {
    const { viewer, secret } = await app.account();
    key = secret;
    group = `group-${++groups}`;
    const batch = Array.from({ length: 120 }, () => submission({ container_group_id: group }));
    expect((await app.rest(key, 'POST', '/jobs/batch', batch)).status).toBe(202);
    const handedOut: string[] = [];
    const worker = async (machine: string) => {
      for (let ids = await claim(machine); ids.length > 0; ids = await claim(machine)) handedOut.push(...ids);
    };
    const agent = async (machineId: string) => {
      const identity = { machineId, containerGroupId: group };
      const session = { sessionId: randomUUID(), version: null, hardware: null };
      const { id: agentId } = await registerAgent(app.core, viewer, { ...identity, ...session });
      const next = () => claimJob(app.core, viewer, { ...identity, agentId, claimId: randomUUID() });
      for (let job = await next(); job !== undefined; job = await next()) handedOut.push(job.id);
    };
    await Promise.all(
      // Two of each kind on every machine: who asks is not which machine asks.
      Array.from({ length: 20 }, (_, index) => [worker(`m${index % 10}`), agent(`m${index % 10}`)]).flat(),
    );
    expect([handedOut.length, new Set(handedOut).size]).toEqual([120, 120]);
    const [twice] = await app.database.query<{ count: number }>(
      'select count(*)::int as count from attempts where container_group_id = $1 and number > 1',
      [group],
    );
    expect(twice?.count).toBe(0);
  });

  test('several workers on one machine hold a job each', async () => {
    await fresh();
    const ids = [await submit(), await submit()];
    const held = [...(await claim('a')), ...(await claim('a'))];
    expect(held).toEqual(ids);
    expect(await report('completed', ids[0]!, 'a')).toMatchObject([200, { recorded: true }]);
    expect(await report('heartbeat', ids[1]!, 'a')).toEqual([200, { status: 'running' }]);
  });

  test('an answer that got lost costs its lease, and no more: the job is handed out again', async () => {
    await fresh();
    const id = await submit();
    // Nobody hears of this claim.
    await claim('a');
    expect(await claim('a')).toEqual([]);
    await loseLease(id);
    expect(await claim('a')).toEqual([id]);
    expect(await look(id)).toMatchObject({ attempt: 2, num_failures: 0, num_interruptions: 1 });
  });

  test('a heartbeat makes a lease of twice the interval', async () => {
    await fresh();
    const id = await submit({ heartbeat_interval: 100 });
    await claim('a');
    await report('heartbeat', id, 'a');
    const [lease] = await app.database.query<{ seconds: number }>(
      'select extract(epoch from lease_expires_at - heartbeat_at)::float8 as seconds from attempts where job_id = $1',
      [id],
    );
    expect(lease?.seconds).toBeCloseTo(200, 0);
  });
});
