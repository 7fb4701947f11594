import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { createKey } from '../../core/accounts/keys.ts';
import { startTestApp } from '../support/app.ts';
import { claimed, registered, submitted } from '../support/graphql.ts';
import { startReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';

const app = await startTestApp();
const receiver = await startReceiver();
afterAll(async () => {
  await receiver.close();
  await app.close();
});
const { secret: key } = await app.account();
const { secret: stranger } = await app.account();

const DELIVERIES = `query ($id: ID!) { job(id: $id) { webhookDeliveries(first: 10) {
  nodes { id status attempt url deliveredAt abandonedAt nextTryAt tries { number statusCode error response milliseconds } }
} } }`;

interface Delivery {
  id: string;
  status: string;
  deliveredAt: string | null;
  abandonedAt: string | null;
  nextTryAt: string | null;
  tries: { number: number; statusCode: number | null; error: string | null }[];
}

async function deliveriesOf(id: string): Promise<Delivery[]> {
  const { data } = await app.graphql(key, DELIVERIES, { id });
  return (data as { job: { webhookDeliveries: { nodes: Delivery[] } } }).job.webhookDeliveries.nodes;
}

test('a job’s webhooks show each try, and can be sent again by its account alone', async () => {
  const id = await submitted(app, key, { webhook: `${receiver.url}/hook`, containerGroupId: 'told' });
  receiver.answers.push(410);
  await claimed(app, key, await registered(app, key, 'machine', 'told'));
  await until('the webhook to be given up', async () => (await deliveriesOf(id))[0]?.abandonedAt ?? undefined);
  const [given] = await deliveriesOf(id);
  expect(given).toMatchObject({
    ...{ status: 'running', attempt: 1, url: `${receiver.url}/hook`, deliveredAt: null, nextTryAt: null },
    tries: [{ number: 1, statusCode: 410, error: 'Expected an answer of 200 to 299, got 410', response: '' }],
  });

  const again = (who: string, delivery: string) =>
    app.graphql(
      who,
      `mutation ($id: ID!) { redeliverWebhook(id: $id) { __typename ... on WebhookDelivery { nextTryAt } } }`,
      { id: delivery },
    );
  for (const [who, delivery] of [
    [stranger, given!.id],
    [key, id],
    [key, 'nonsense'],
  ] as const) {
    expect((await again(who, delivery)).data).toEqual({ redeliverWebhook: { __typename: 'NotFound' } });
  }
  expect((await again(key, given!.id)).data).toMatchObject({ redeliverWebhook: { __typename: 'WebhookDelivery' } });
  await until('the webhook to arrive', async () => (await deliveriesOf(id))[0]?.deliveredAt ?? undefined);
  const [taken] = await deliveriesOf(id);
  expect(taken!.tries.map(({ statusCode }) => statusCode)).toEqual([410, 200]);
  expect(taken).toMatchObject({ id: given!.id, abandonedAt: null, nextTryAt: null });
});

test('a receiver that answers with all that it was sent tells nobody the key, the signature or the secret', async () => {
  const { secret: owner, viewer } = await app.account();
  const signing = await mutateSecret(owner);
  const sent: string[] = [];
  const echo = createServer((request, response) => {
    const { 'x-kelpie-key': key = '', 'webhook-signature': signature = '' } = request.headers;
    sent.push(String(key), String(signature).slice('v1,'.length));
    response.writeHead(500).end(`${JSON.stringify(request.headers)} ${btoa(`key=${String(key)}`)} ${signing}`);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void echo.close());
  const { port } = echo.address() as AddressInfo; // A TCP server's address is never a pipe's name.
  const id = await submitted(app, owner, { webhook: `http://127.0.0.1:${port}/`, containerGroupId: 'echo' });
  await claimed(app, owner, await registered(app, owner, 'machine', 'echo'));
  const answerTo = async (who: string): Promise<string | null> => {
    const query = `query ($id: ID!) { job(id: $id) { webhookDeliveries { nodes { tries { response } } } } }`;
    return until('a try', async () => {
      const { data } = await app.graphql(who, query, { id });
      const told = data as { job: { webhookDeliveries: { nodes: { tries: { response: string | null }[] }[] } } };
      return told.job.webhookDeliveries.nodes[0]?.tries[0];
    }).then(({ response }) => response);
  };

  const shown = await answerTo(owner);
  expect(shown).toContain('"x-kelpie-key":"[secret]"');
  expect(shown).toContain('"webhook-signature":"v1,[secret]"');
  expect(sent).toEqual([owner, expect.stringMatching(/^.{40,}=$/)]);
  const stored = JSON.stringify(await app.database.query('select * from webhook_tries where response is not null'));
  for (const secret of [...sent, signing.slice('whsec_'.length), btoa(`key=${owner}`).slice(8, -4)]) {
    expect(stored).not.toContain(secret);
  }
  const keyOf = async (role: 'SUBMITTER' | 'VIEWER') =>
    (await createKey(app.core, { accountId: viewer.accountId, role })).secret;
  expect(await answerTo(await keyOf('SUBMITTER'))).toBe(shown);
  expect(await answerTo(await keyOf('VIEWER'))).toBeNull();

  // As a server of the release before stores it while it is replaced.
  await app.database.query('update webhook_tries set response_blanked = false where response is not null');
  expect(await answerTo(owner)).toBeNull();
});

test('the secret is for owners, and a rotation changes it', async () => {
  const SECRET = '{ webhookSecret { __typename ... on WebhookSecret { secret } ... on Failure { message } } }';
  const { data } = await app.graphql(key, SECRET);
  const { secret } = (data as { webhookSecret: { secret: string } }).webhookSecret;
  expect(secret).toMatch(/^whsec_.{40,}/);
  const rotated = await mutateSecret(key);
  expect(rotated).toMatch(/^whsec_/);
  expect(rotated).not.toBe(secret);
  expect((await app.graphql(key, SECRET)).data).toMatchObject({ webhookSecret: { secret: rotated } });

  const { secret: submitter } = await app.account('SUBMITTER');
  expect((await app.graphql(submitter, SECRET)).data).toMatchObject({ webhookSecret: { __typename: 'Forbidden' } });
});

async function mutateSecret(who: string): Promise<string> {
  const { data } = await app.graphql(who, 'mutation { rotateWebhookSecret { ... on WebhookSecret { secret } } }');
  return (data as { rotateWebhookSecret: { secret: string } }).rotateWebhookSecret.secret;
}
