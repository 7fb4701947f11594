import { afterAll, describe, expect, test } from 'vitest';
import { createRates } from '../../server/rate.ts';
import { startTestApp } from '../support/app.ts';
import { bodyOf, rawRequest } from '../support/raw-request.ts';
import { openRaw } from '../support/raw-socket.ts';
import { until } from '../support/until.ts';

const app = await startTestApp({ limits: { KELPIE_MAX_MESSAGE_BYTES: 16_000_000 } });
afterAll(() => app.close());
const { secret: key } = await app.account('VIEWER');

const QUERY = JSON.stringify({ query: '{ viewer { role } }' });

function head(headers: Record<string, string | number>): string {
  const given = { Host: '127.0.0.1', 'Content-Type': 'application/json', Connection: 'close', ...headers };
  const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}`);
  return `POST /graphql HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

describe('who asks is known before what is asked is read', () => {
  const strangers: [string, Record<string, string>, string][] = [
    ['without a key', {}, 'UNAUTHENTICATED'],
    ['with an unknown key', { 'X-Kelpie-Key': 'unknown' }, 'FORBIDDEN'],
  ];

  test.each(strangers)('%s, a body that never comes to its end is not waited for', async (_who, headers, code) => {
    const whole = await rawRequest(app.url, head({ ...headers, 'Content-Length': QUERY.length }) + QUERY);
    const begun = await rawRequest(app.url, `${head({ ...headers, 'Content-Length': 33_000_000 })}{`);
    expect(JSON.parse(bodyOf(begun))).toMatchObject({ errors: [{ extensions: { code } }] });
    expect(bodyOf(begun)).toBe(bodyOf(whole));
  });

  test.each(strangers)('%s, nothing is told of what is wrong with the body', async (_who, headers, code) => {
    for (const wrong of [{ 'Content-Length': 1e9 }, { 'Content-Length': 1, 'Content-Type': 'text/plain' }]) {
      const answer = await rawRequest(app.url, `${head({ ...headers, ...wrong })}{`);
      expect(JSON.parse(bodyOf(answer))).toMatchObject({ errors: [{ extensions: { code } }] });
    }
  });
});

describe('what somebody known asks', () => {
  test.each([
    ['no JSON', '{"query": ', /^Expected a JSON body: /],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), /^Expected a JSON body in UTF-8/],
    ['no object', '1', /an object/],
    ['nothing', '', /^Expected a JSON body, got an empty one/],
  ])('is refused with 400 when it is %s', async (_what, body, message) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      errors: [{ message: expect.stringMatching(message) as string, extensions: { code: 'BAD_REQUEST' } }],
    });
  });

  test('by GET is refused with 400 when its variables are no JSON', async () => {
    const url = `${app.url}/graphql?query=${encodeURIComponent('{ viewer { role } }')}&variables={`;
    const response = await fetch(url, { headers: { 'X-Kelpie-Key': key } });
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('BAD_REQUEST')]);
  });

  test('counts although it cannot be read', async () => {
    const counted = await startTestApp({ rates: createRates({ perKey: 1, refusalsPerAddress: 0 }) });
    try {
      const { secret } = await counted.account('VIEWER');
      const statuses: number[] = [];
      for (const type of ['application/json', 'text/plain', 'application/json']) {
        for (const body of ['{', 'no JSON'])
          statuses.push((await post(body, { 'X-Kelpie-Key': secret, 'Content-Type': type }, counted.url)).status);
      }
      expect(statuses).toEqual([400, 400, 415, 415, 400, 429]);
    } finally {
      await counted.close();
    }
  });
});

describe('a text that is small, and stands for millions of things, is not read', () => {
  const crowd = `{"query":"{ __typename }","variables":{"a":[${'{},'.repeat(1_600_000)}{}]}}`;
  const refused = 'at most 3000000 lists, objects and commas';

  test('over GraphQL', async () => {
    const response = await post(crowd);
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(refused)]);
  });

  test('over REST', async () => {
    const { secret } = await app.account();
    const { status, body } = await app.rest(secret, 'POST', '/jobs', crowd);
    expect([status, body]).toEqual([
      400,
      expect.objectContaining({ detail: expect.stringContaining(refused) as string }),
    ]);
  });

  test('over a socket, which goes on: it is told to the operation', async () => {
    const raw = openRaw(app.url, { 'X-Kelpie-Key': key });
    await until('the socket to be let in', () => raw.heard.length === 1);
    raw.socket.send(`{"id":"1","type":"subscribe","payload":${crowd}}`);
    raw.send({ id: '2', type: 'subscribe', payload: { query: '{ viewer { role } }' } });
    await until('the other operation to be done', () =>
      raw.heard.some(({ id, type }) => id === '2' && type === 'complete'),
    );
    const [error] = raw.heard.filter(({ id }) => id === '1');
    expect(error).toMatchObject({ type: 'error', payload: [{ message: expect.stringContaining(refused) as string }] });
    raw.socket.terminate();
  });

  test('over a socket, which is closed where the text does not say first which operation it is', async () => {
    const raw = openRaw(app.url, { 'X-Kelpie-Key': key });
    raw.socket.once('message', () => raw.socket.send(`{"type":"subscribe","payload":${crowd},"id":"1"}`));
    expect(await raw.closed).toEqual([4400, expect.stringContaining(refused)]);
  });
});

function post(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}, url = app.url) {
  const given = { 'Content-Type': 'application/json', 'X-Kelpie-Key': key, ...headers };
  return fetch(`${url}/graphql`, { method: 'POST', headers: given, body });
}
