import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '../../../core/accounts/keys.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { createSender } from '../../../core/webhooks/deliver.ts';
import { parseRanges } from '../../../core/webhooks/guard.ts';
import { rotateWebhookSecret, webhookSecret } from '../../../core/webhooks/sign.ts';
import { listenLocally } from '../../../lib/port.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim, endings, submit } from '../../support/jobs.ts';
import { startReceiver } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';
import { deliverDue as deliverDueOf, passTime as passTimeIn } from '../../support/webhooks.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
const receiver = await startReceiver();
const webhook = `${receiver.url}/hook?from=kelpie`;
afterAll(async () => {
  await receiver.close();
  await close();
});
beforeEach(async () => {
  await database.query('delete from jobs');
  receiver.received.length = 0;
  receiver.answers.length = 0;
});

const allowed = parseRanges('127.0.0.0/8');
const faults: Error[] = [];
const newSender = () => createSender({ core, allowed, onError: (error) => faults.push(error) });
const sender = newSender();
const deliverDue = (by = sender) => deliverDueOf(by);

const deliveries = () => database.query('select * from webhook_deliveries order by created_at');
const passTime = () => passTimeIn(database);

describe('what a webhook says', () => {
  test('running, then completed: the documented body and nothing else, with the submitter’s key', async () => {
    const { viewer, secret } = await account();
    await createKey(core, { accountId: viewer.accountId, role: 'OWNER' });
    const job = await submit(core, viewer, { webhook });
    const { lease } = await claim(core, viewer, 'machine 1');
    expect(await deliverDue()).toEqual({ delivered: 1, failed: 0 });
    await finishAttempt(core, viewer, lease, endings.completed);
    expect(await deliverDue()).toEqual({ delivered: 1, failed: 0 });
    const about = { job_id: job.id, machine_id: 'machine 1', container_group_id: 'group' };
    expect(receiver.received.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
      { status: 'running', ...about },
      { status: 'completed', ...about },
    ]);
    for (const { method, path, headers } of receiver.received) {
      expect([method, path]).toEqual(['POST', '/hook?from=kelpie']);
      expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-kelpie-key': secret });
    }
  });

  test('failed is told when the job fails for good, not before', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook, maxFailures: 2 });
    for (const machine of ['a', 'b']) {
      await finishAttempt(core, viewer, (await claim(core, viewer, machine)).lease, endings.failed);
    }
    await deliverDue();
    const told = receiver.received.map(({ body }) => JSON.parse(body) as { status: string; machine_id: string });
    expect(told.map(({ status, machine_id }) => `${status} ${machine_id}`).sort()).toEqual([
      'failed b',
      'running a',
      'running b',
    ]);
  });

  test('each account’s key goes to its own receiver only', async () => {
    const [one, two] = [await account(), await account()];
    await submit(core, one.viewer, { webhook: `${receiver.url}/one` });
    await submit(core, two.viewer, { webhook: `${receiver.url}/two` });
    await claim(core, one.viewer);
    await claim(core, two.viewer);
    await deliverDue();
    const keys = new Map(receiver.received.map(({ path, headers }) => [path, headers['x-kelpie-key']]));
    expect(keys).toEqual(
      new Map([
        ['/one', one.secret],
        ['/two', two.secret],
      ]),
    );
  });
});

describe('a receiver that fails', () => {
  test('is tried again when its time has come, not before, until it takes it', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await claim(core, viewer);
    receiver.answers.push(500, 404);
    expect(await deliverDue()).toEqual({ delivered: 0, failed: 1 });
    expect(await deliverDue()).toEqual({ delivered: 0, failed: 0 });
    const [waiting] = await deliveries();
    expect(waiting).toMatchObject({ tries: 1, delivered_at: null, abandoned_at: null });
    expect(waiting?.last_error).toContain('500');
    await passTime();
    expect(await deliverDue()).toEqual({ delivered: 0, failed: 1 });
    await passTime();
    expect(await deliverDue()).toEqual({ delivered: 1, failed: 0 });
    await passTime();
    expect(await deliverDue()).toEqual({ delivered: 0, failed: 0 });
    expect(receiver.received).toHaveLength(3);
    const [row] = await deliveries();
    expect(row?.delivered_at).toBeInstanceOf(Date);
    expect(row).toMatchObject({ tries: 3, last_error: null });
  });

  test('is tried at growing intervals, then given up', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await claim(core, viewer);
    const waits: number[] = [];
    for (;;) {
      receiver.answers.push(503);
      await deliverDue();
      const [row] = await database.query<{ wait: number; abandoned: boolean }>(
        `select extract(epoch from next_try_at - clock_timestamp())::float8 as wait,
                abandoned_at is not null as abandoned
         from webhook_deliveries`,
      );
      if (row?.abandoned === true) break;
      waits.push(row!.wait);
      await passTime();
    }
    expect(waits.length).toBeGreaterThanOrEqual(5);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    await passTime();
    expect(await deliverDue()).toEqual({ delivered: 0, failed: 0 });
  });

  test('by not being there is an error that says so', async () => {
    const gone = await startReceiver();
    await gone.close();
    const { viewer } = await account();
    await submit(core, viewer, { webhook: gone.url });
    await claim(core, viewer);
    expect(await deliverDue()).toEqual({ delivered: 0, failed: 1 });
    expect((await deliveries())[0]?.last_error).toContain('ECONNREFUSED');
  });

  test('by redirecting is not followed: the key stays with the host it was meant for', async () => {
    const elsewhere = await startReceiver();
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await claim(core, viewer);
    receiver.answers.push({ status: 307, location: elsewhere.url });
    expect(await deliverDue()).toEqual({ delivered: 0, failed: 1 });
    expect(elsewhere.received).toEqual([]);
    expect((await deliveries())[0]?.last_error).toContain('307');
    await elsewhere.close();
  });

  test('does not hold up the others', async () => {
    const { viewer } = await account();
    await submitJobs(core, viewer, [spec({ webhook }), spec({ webhook: `${receiver.url}/other` })]);
    await claim(core, viewer);
    await claim(core, viewer);
    receiver.answers.push(500);
    expect(await deliverDue()).toEqual({ delivered: 1, failed: 1 });
  });
});

test('senders at once send each webhook once, each job’s in their order', async () => {
  const { viewer } = await account();
  const jobs = 60;
  await submitJobs(
    core,
    viewer,
    Array.from({ length: jobs }, () => spec({ webhook })),
  );
  for (let index = 0; index < jobs; index++) {
    await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.completed);
  }
  const [one, two] = await Promise.all([deliverDue(), deliverDue(newSender())]);
  expect(one.delivered + two.delivered).toBe(2 * jobs);
  const told = receiver.received.map(({ body }) => JSON.parse(body) as { job_id: string; status: string });
  const byJob = Map.groupBy(told, ({ job_id }) => job_id);
  expect(byJob.size).toBe(jobs);
  for (const statuses of byJob.values()) {
    expect(statuses.map(({ status }) => status)).toEqual(['running', 'completed']);
  }
});

describe('the order of a job’s webhooks', () => {
  test('is kept while the receiver is away for a moment', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.completed);
    receiver.answers.push(503, 503);
    expect(await deliverDue()).toEqual({ delivered: 0, failed: 1 });
    await passTime();
    expect(await deliverDue()).toEqual({ delivered: 0, failed: 1 });
    await passTime();
    expect(await deliverDue()).toEqual({ delivered: 2, failed: 0 });
    const told = receiver.received.map(({ body }) => (JSON.parse(body) as { status: string }).status);
    expect(told).toEqual(['running', 'running', 'running', 'completed']);
  });

  test('does not keep the outcome from a receiver that refuses the beginning', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.completed);
    receiver.answers.push(400, 400, 400);
    for (let time = 0; time < 3; time++) {
      await deliverDue();
      if (time < 2) await passTime();
    }
    const told = receiver.received.map(({ body }) => (JSON.parse(body) as { status: string }).status);
    expect(told).toEqual(['running', 'running', 'running', 'completed']);
  });
});

describe('what a receiver may ask for', () => {
  test('is to be tried later, by Retry-After', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await claim(core, viewer);
    receiver.answers.push({ status: 429, 'retry-after': '3600' });
    await deliverDue();
    const [row] = await database.query<{ wait: number }>(
      'select extract(epoch from next_try_at - clock_timestamp())::float8 as wait from webhook_deliveries',
    );
    expect(row!.wait).toBeGreaterThan(3_500);
    expect(row!.wait).toBeLessThanOrEqual(3_600);
  });

  test('is to be left alone, by 410', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await claim(core, viewer);
    receiver.answers.push(410);
    await deliverDue();
    expect(await deliveries()).toMatchObject([{ tries: 1, abandoned_at: expect.any(Date) as Date }]);
  });
});

describe('signatures', () => {
  const verified = (secret: string, { headers, body }: { headers: object; body: string }) =>
    new Webhook(secret).verify(body, headers as Record<string, string>);

  test('are verified by the library of Standard Webhooks; the id is the same over all tries', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer, { webhook });
    await claim(core, viewer);
    receiver.answers.push(500);
    await deliverDue();
    await passTime();
    await deliverDue();
    const secret = await webhookSecret(core, viewer);
    const [first, second] = receiver.received;
    for (const one of [first!, second!]) expect(verified(secret, one)).toMatchObject({ job_id: job.id });
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
    expect(() => verified(secret, { ...second!, body: second!.body.replace('running', 'failed') })).toThrow();
  });

  test('are by both secrets for a day after a rotation', async () => {
    const { viewer } = await account();
    const before = await webhookSecret(core, viewer);
    const after = await rotateWebhookSecret(core, viewer);
    expect(await webhookSecret(core, viewer)).toBe(after);
    for (const [index, isOver] of [false, true].entries()) {
      if (isOver) await database.query(`update webhook_secrets set previous_until = now() - interval '1 second'`);
      await submit(core, viewer, { webhook });
      await claim(core, viewer, `machine-${index}`);
      await deliverDue();
    }
    const [during, later] = receiver.received;
    expect(verified(before, during!)).toBeDefined();
    expect(verified(after, during!)).toBeDefined();
    expect(verified(after, later!)).toBeDefined();
    expect(() => verified(before, later!)).toThrow();
  });

  test('of one account are not those of another, and only an owner sees its secret', async () => {
    const [one, two] = [await account(), await account()];
    expect(await webhookSecret(core, one.viewer)).not.toBe(await webhookSecret(core, two.viewer));
    expect(await webhookSecret(core, one.viewer)).toBe(await webhookSecret(core, one.viewer));
    const reader = await account('VIEWER', 'reads');
    await expect(webhookSecret(core, reader.viewer)).rejects.toThrow('role VIEWER');
    const [row] = await database.query<{ sealed: string }>('select sealed from webhook_secrets limit 1');
    expect(row!.sealed).not.toContain('whsec_');
  });

  test('stand alone when the key that submitted the job was revoked', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await claim(core, viewer);
    await database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    expect(await deliverDue()).toEqual({ delivered: 1, failed: 0 });
    expect(receiver.received[0]!.headers).not.toHaveProperty('x-kelpie-key');
    expect(verified(await webhookSecret(core, viewer), receiver.received[0]!)).toBeDefined();
  });
});

test('every try is written down, with the beginning of what came back', async () => {
  const { viewer } = await account();
  await submit(core, viewer, { webhook });
  await claim(core, viewer);
  receiver.answers.push(500);
  await deliverDue();
  await passTime();
  await deliverDue();
  expect(
    await database.query('select number, status_code, error, response from webhook_tries order by number'),
  ).toEqual([
    { number: 1, status_code: 500, error: 'Expected an answer of 200 to 299, got 500', response: '' },
    { number: 2, status_code: 200, error: null, response: '' },
  ]);
});

test('a receiver inside this network is refused, and nothing is sent to it', async () => {
  const { viewer } = await account();
  await submit(core, viewer, { webhook });
  await claim(core, viewer);
  const strict = createSender({ core, allowed: [], onError: (error) => faults.push(error) });
  expect(await deliverDue(strict)).toEqual({ delivered: 0, failed: 1 });
  expect((await deliveries())[0]?.last_error).toMatch(/^Refused: 127\.0\.0\.1 is, or resolves to/);
  expect(receiver.received).toEqual([]);
});

test('a slow host holds up no other', async () => {
  const slow = createServer(() => undefined);
  const port = await listenLocally(slow);
  const { viewer } = await account();
  await submitJobs(
    core,
    viewer,
    Array.from({ length: 300 }, () => spec({ webhook: `http://127.0.0.1:${port}/` })),
  );
  for (let index = 0; index < 300; index++) await claim(core, viewer);
  await submitJobs(core, viewer, [spec({ webhook }), spec({ webhook })]);
  const own = newSender();
  expect(await own.runOnce()).toEqual({ started: 8 });
  await claim(core, viewer);
  await claim(core, viewer);
  expect(await own.runOnce()).toEqual({ started: 2 });
  const delivered = async () => (await deliveries()).filter((row) => row.delivered_at !== null).length;
  await until('the quick ones', async () => (await delivered()) === 2);

  await own.stop();
  slow.closeAllConnections();
  await new Promise((resolve) => slow.close(resolve));
  // What was broken off is due at once for another server, and its try does not count.
  const [row] = await database.query('select count(*)::int as due from webhook_deliveries where tries = 0');
  expect(row).toEqual({ due: 300 });
  expect(faults).toEqual([]);
});
