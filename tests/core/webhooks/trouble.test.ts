import { createServer } from 'node:http';
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createSecretBox } from '../../../core/accounts/secret-box.ts';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { parseInput } from '../../../core/input.ts';
import { jobSpecWithoutPatterns } from '../../../core/jobs/spec.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { createSender, type SenderOptions } from '../../../core/webhooks/deliver.ts';
import { parseRanges } from '../../../core/webhooks/guard.ts';
import { redeliver } from '../../../core/webhooks/log.ts';
import { rotateWebhookSecret } from '../../../core/webhooks/sign.ts';
import { listenLocally } from '../../../lib/port.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim, submit } from '../../support/jobs.ts';
import { startReceiver } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';
import { deliverDue, passTime } from '../../support/webhooks.ts';

const { core, database, account, close } = await openTestCore();
const receiver = await startReceiver();
const webhook = `${receiver.url}/hook`;
afterAll(async () => {
  await receiver.close();
  await close();
});
beforeEach(async () => {
  await database.query('delete from jobs');
  receiver.received.length = 0;
  faults.length = 0;
});

const faults: Error[] = [];
const newSender = (part: Partial<SenderOptions> = {}) =>
  createSender({ core, allowed: parseRanges('127.0.0.0/8'), onError: (error) => faults.push(error), ...part });
const sender = newSender();

async function told(viewer: Viewer, url = webhook): Promise<void> {
  await submit(core, viewer, { webhook: url });
  await claim(core, viewer);
}

/** Accepts connections and never answers. */
async function silentHost(): Promise<{ url: string; count: () => number }> {
  let count = 0;
  const server = createServer(() => void (count += 1));
  const port = await listenLocally(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}/`, count: () => count };
}

describe('what was sealed under another master key', () => {
  const other = { ...core, secrets: createSecretBox('another master key') };

  test('fails its own deliveries, which say why and are tried later; those of others arrive', async () => {
    const [foreign, own] = [await account(), await account()];
    await told(foreign.viewer);
    await told(own.viewer);
    await database.query('update api_keys set encrypted = $1 where id = $2', [
      other.secrets.seal(foreign.secret),
      foreign.viewer.keyId,
    ]);
    expect(await deliverDue(sender)).toEqual({ delivered: 1, failed: 1 });
    expect(receiver.received[0]!.headers['x-kelpie-key']).toBe(own.secret);
    const [row] = await database.query('select * from webhook_deliveries where delivered_at is null');
    expect(row).toMatchObject({ tries: 1, abandoned_at: null });
    expect(row?.last_error).toContain('KELPIE_MASTER_KEY');
    expect(faults.map(({ name }) => name)).toEqual(['Unsealable']);
  });

  test('signs nothing until the owner rotates the secret, and holds up nothing after that', async () => {
    const { viewer, secret } = await account();
    await rotateWebhookSecret(other, viewer);
    await told(viewer);
    expect(await deliverDue(sender)).toEqual({ delivered: 0, failed: 1 });
    await rotateWebhookSecret(core, viewer);
    await passTime(database);
    expect(await deliverDue(sender)).toEqual({ delivered: 1, failed: 0 });
    expect(receiver.received[0]!.headers).toMatchObject({ 'x-kelpie-key': secret });
    expect(String(receiver.received[0]!.headers['webhook-signature']).split(' ')).toHaveLength(1);
  });
});

describe('a key that is gone', () => {
  test.each([
    ['deleted', 'delete from api_keys where id = $1'],
    ['expired', `update api_keys set expires_at = now() - interval '1 second' where id = $1`],
  ])('because it was %s is not sent; the webhook is, with its signature', async (_how, statement) => {
    const { viewer } = await account();
    await told(viewer);
    await database.query(statement, [viewer.keyId]);
    expect(await deliverDue(sender)).toEqual({ delivered: 1, failed: 0 });
    expect(receiver.received[0]!.headers).not.toHaveProperty('x-kelpie-key');
    expect(receiver.received[0]!.headers['webhook-signature']).toMatch(/^v1,/);
  });
});

describe('slow receivers', () => {
  test('are given up in time, and the error says how long that was', async () => {
    const { url } = await silentHost();
    await told((await account()).viewer, url);
    expect(await deliverDue(newSender({ timeLimitMs: 100 }))).toEqual({ delivered: 0, failed: 1 });
    const [row] = await database.query('select last_error from webhook_deliveries');
    expect(row).toEqual({ last_error: 'No answer within 0.1 s' });
  });

  test('of one account leave room for those of another, however many hosts they are', async () => {
    const { url, count } = await silentHost();
    const port = new URL(url).port;
    const [greedy, modest] = [await account(), await account()];
    const own = newSender({ resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]) });
    await submitJobs(
      core,
      greedy.viewer,
      Array.from({ length: 200 }, (_, index) => spec({ webhook: `http://host-${index}.example:${port}/` })),
    );
    for (let index = 0; index < 200; index++) await claim(core, greedy.viewer);
    expect(await own.runOnce()).toEqual({ started: 32 });
    expect(await own.runOnce()).toEqual({ started: 0 });
    await told(modest.viewer);
    expect(await own.runOnce()).toEqual({ started: 1 });
    await until('the other account’s', () => receiver.received.length === 1);
    await until('the slow ones', () => count() === 32);
    await own.stop();
  });
});

test('a due delivery is found behind very many hosts that wait for their next try', async () => {
  const { viewer } = await account();
  await told(viewer);
  await database.query(
    `insert into webhook_deliveries (account_id, api_key_id, job_id, attempt, url, status, container_group_id, tries, next_try_at)
     select account_id, api_key_id, job_id, n, 'http://host-' || n || '.example/', status, container_group_id, 5, now() + interval '1 day'
     from webhook_deliveries, generate_series(1, 3000) n`,
  );
  await until('the one that is due', async () => (await deliverDue(sender)).delivered === 1);
});

test('a sender that was frozen does not undo what another one has found since', async () => {
  const { url, count } = await silentHost();
  const { viewer } = await account();
  await told(viewer, url);
  const frozen = newSender({ timeLimitMs: 1_000 });
  await frozen.runOnce();
  await until('its request', () => count() === 1);
  await database.query('update webhook_deliveries set url = $1', [webhook]);
  await passTime(database);
  const second = newSender();
  receiver.slowMs = 1_500;
  expect(await second.runOnce()).toEqual({ started: 1 });
  expect(await frozen.settled()).toEqual({ delivered: 0, failed: 1 });
  const [row] = await database.query<{ held: boolean }>(
    `select tries, last_error, next_try_at > now() + interval '30 seconds' as held from webhook_deliveries`,
  );
  expect(row).toEqual({ tries: 2, last_error: null, held: true });
  expect(await second.settled()).toEqual({ delivered: 1, failed: 0 });
  receiver.slowMs = 0;
});

test('of a webhook that is sent again and again the last fifty tries are kept', async () => {
  const { viewer } = await account();
  await told(viewer);
  await deliverDue(sender);
  const [delivery] = await database.query<{ id: string }>('select id from webhook_deliveries');
  const id = delivery!.id;
  await database.query('update webhook_deliveries set tries = 60');
  await database.query(
    'insert into webhook_tries (delivery_id, number, milliseconds) select $1, n, 1 from generate_series(2, 60) n',
    [id],
  );
  await redeliver(core, viewer, id);
  expect(await deliverDue(sender)).toEqual({ delivered: 1, failed: 0 });
  const [row] = await database.query('select count(*)::int, min(number), max(number) from webhook_tries');
  expect(row).toEqual({ count: 50, min: 12, max: 61 });
});

test.each([
  ...['http:example.com', 'http:\\\\example.com', 'https:///example.com', 'ftp://example.com', 'file:///etc/passwd'],
  ...['http://user@example.com/', 'http://user:password@example.com/', 'http://example.com\\@127.0.0.1/'],
  ...[' http://example.com', 'http://exa\nmple.com/', 'http://example.com/a b', 'http://', 'http://exa mple.com'],
  ...['javascript:alert(1)', `https://example.com/${'x'.repeat(2_048)}`, 'http://example.com:99999/'],
])('%j is refused at submission', (url) => {
  expect(() =>
    parseInput(jobSpecWithoutPatterns, { command: 'true', containerGroupId: 'group', webhook: url }),
  ).toThrow('webhook');
});

test.each(['https://example.com', 'HTTP://Example.com:8080/a?b=@c#d', 'http://[2606:4700::1]/', 'https://ü.example/ü'])(
  '%j is taken as it is',
  (url) => {
    expect(spec({ webhook: url }).webhook).toBe(url);
  },
);
