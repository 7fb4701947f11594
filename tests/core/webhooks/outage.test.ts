import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { createSender } from '../../../core/webhooks/deliver.ts';
import { parseRanges } from '../../../core/webhooks/guard.ts';
import { webhookSecret } from '../../../core/webhooks/sign.ts';
import { listenLocally } from '../../../lib/port.ts';
import { startServers } from '../../chaos/servers.ts';
import { MASTER_KEY, openTestCore, spec } from '../../support/core.ts';
import { claim, endings, submit } from '../../support/jobs.ts';
import { startReceiver } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';
import { deliverDue, passTime } from '../../support/webhooks.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

test('a receiver that is down, then slow, then up is told everything, signed, each job’s states in their order', async () => {
  const jobs = 20;
  const { viewer } = await account();
  const faults: Error[] = [];
  const sender = createSender({
    core,
    allowed: parseRanges('127.0.0.0/8'),
    onError: (error) => faults.push(error),
  });
  const down = await startReceiver();
  const webhook = `${down.url}/hook`;
  const port = Number(new URL(webhook).port);
  await down.close();
  const batch = Array.from({ length: jobs }, () => spec({ webhook }));
  await submitJobs(core, viewer, batch);
  const leases = [];
  for (let index = 0; index < jobs; index++) leases.push((await claim(core, viewer)).lease);
  for (const lease of leases.slice(0, 15)) await finishAttempt(core, viewer, lease, endings.completed);

  expect(await deliverDue(sender)).toEqual({ delivered: 0, failed: jobs });
  // What waits behind its job's first webhook is put off with it, so that nobody looks at it over and over.
  const due = () =>
    database.query(
      'select status, tries from webhook_deliveries where next_try_at <= clock_timestamp() and delivered_at is null',
    );
  expect(await due()).toEqual([]);
  await passTime(database);
  expect(await deliverDue(sender)).toEqual({ delivered: 0, failed: jobs });

  const slow = await startReceiver(port);
  slow.slowMs = 50;
  await passTime(database);
  expect(await deliverDue(sender)).toEqual({ delivered: jobs + 15, failed: 0 });
  slow.slowMs = 0;
  for (const lease of leases.slice(15)) await finishAttempt(core, viewer, lease, endings.completed);
  expect(await deliverDue(sender)).toEqual({ delivered: 5, failed: 0 });

  const verifier = new Webhook(await webhookSecret(core, viewer));
  const told = slow.received.map(
    ({ body, headers }) =>
      verifier.verify(body, headers as Record<string, string>) as { job_id: string; status: string },
  );
  const byJob = Map.groupBy(told, ({ job_id }) => job_id);
  expect(byJob.size).toBe(jobs);
  for (const states of byJob.values()) expect(states.map(({ status }) => status)).toEqual(['running', 'completed']);
  expect(faults).toEqual([]);
  await slow.close();
});

/** A server of its own process on the test's database; as with a supervisor, it comes back when it was killed. */
async function startServer() {
  const folder = await mkdtemp(join(tmpdir(), 'kelpie-webhooks-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const deaths: string[] = [];
  const servers = await startServers({
    count: 1,
    directory: folder,
    environment: {
      DATABASE_URL: database.url,
      KELPIE_MASTER_KEY: MASTER_KEY,
      KELPIE_WEBHOOK_ALLOW: '127.0.0.0/8',
    },
    onDeath: (what) => deaths.push(what),
  });
  onTestFinished(() => servers.stop());
  return { servers, deaths };
}

test('a server that is killed between what it commits and what it sends loses nothing', async () => {
  const jobs = 10;
  const receiver = await startReceiver();
  receiver.slowMs = 5_000;
  onTestFinished(() => receiver.close());
  const { servers, deaths } = await startServer();
  const { viewer, secret } = await account();
  const batch = Array.from({ length: jobs }, () => spec({ webhook: `${receiver.url}/hook` }));
  const ids = (await submitJobs(core, viewer, batch)).map(({ id }) => id);
  const told = () => database.query('select * from webhook_deliveries where job_id = any($1)', [ids]);

  const ask = async (method: string, path: string, body?: object) => {
    const url = `http://127.0.0.1:${servers.ports()[0]}${path}`;
    const text = body === undefined ? null : JSON.stringify(body);
    const answer = await fetch(url, { method, headers: { 'X-Kelpie-Key': secret }, body: text });
    expect(answer.status).toBe(200);
    return (await answer.json()) as { id: string }[];
  };
  for (let index = 0; index < jobs; index++) {
    const [job] = await ask('GET', '/work?machine_id=m&container_group_id=group');
    await ask('POST', `/jobs/${job!.id}/completed`, { machine_id: 'm', container_group_id: 'group' });
  }
  // All was answered, so all is committed; what is to be told at last waits for what was told first.
  expect(receiver.received.length).toBeLessThan(2 * jobs);
  receiver.slowMs = 0;
  await servers.kill(0, 0, new AbortController().signal);
  expect(await told()).toHaveLength(2 * jobs);
  await passTime(database);

  await until('all to be delivered', async () => (await told()).every((row) => row.delivered_at !== null));
  const verifier = new Webhook(await webhookSecret(core, viewer));
  const first = new Map(receiver.received.toReversed().map((one) => [one.headers['webhook-id'], one]));
  expect(first.size).toBe(2 * jobs);
  const states = receiver.received
    .filter((one) => first.get(one.headers['webhook-id']) === one)
    .map(
      (one) => verifier.verify(one.body, one.headers as Record<string, string>) as { job_id: string; status: string },
    );
  for (const of of Map.groupBy(states, ({ job_id }) => job_id).values()) {
    expect(of.map(({ status }) => status)).toEqual(['running', 'completed']);
  }
  expect(deaths).toEqual([]);
}, 60_000);

test('a server that is killed while it sends loses nothing: another one sends it when the hold is over', async () => {
  const requests: IncomingMessage[] = [];
  // Takes the first request and never answers it.
  const receiver = createServer((request, response) => {
    requests.push(request);
    if (requests.length > 1) response.end();
  });
  const port = await listenLocally(receiver);
  onTestFinished(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  const { servers, deaths } = await startServer();
  const { viewer } = await account();
  const { id } = await submit(core, viewer, { webhook: `http://127.0.0.1:${port}/` });
  await claim(core, viewer);
  const first = await until('the first try', () => requests[0]);

  const cut = new Promise((resolve) => first.socket.once('close', resolve));
  await servers.kill(0, 0, new AbortController().signal);
  await cut;
  const row = async () =>
    (await database.query('select tries, delivered_at from webhook_deliveries where job_id = $1', [id]))[0];
  expect(await row()).toEqual({ tries: 1, delivered_at: null });
  await passTime(database);

  await until('the delivery', async () => (await row())?.delivered_at instanceof Date);
  expect(requests).toHaveLength(2);
  expect(requests[1]!.headers['webhook-id']).toBe(first.headers['webhook-id']);
  expect(await row()).toMatchObject({ tries: 2 });
  expect(deaths).toEqual([]);
}, 60_000);
