import { afterAll, expect, test } from 'vitest';
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
