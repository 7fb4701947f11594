import { createServer } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { keyCredentials } from '../../agent/credentials.ts';
import { ViewerDocument } from '../../agent/generated/graphql.ts';
import { createHttpTransport } from '../../agent/http.ts';
import { listenLocally } from '../../lib/port.ts';

let refusals = 0;
const credentials = { ...keyCredentials('a-secret'), refused: () => void (refusals += 1) };
let answer: { status: number; body: string; headers?: Record<string, string> };
let heard: { headers: Record<string, unknown>; body: unknown };

const server = createServer((request, response) => {
  void request.toArray().then((chunks: Buffer[]) => {
    heard = { headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) };
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
});
const port = await listenLocally(server);
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function ask(signal = new AbortController().signal) {
  const transport = createHttpTransport({ url: `http://127.0.0.1:${port}/graphql`, credentials });
  return transport.request(ViewerDocument, {}, signal);
}

test('asks with the key, and hands on the data', async () => {
  answer = { status: 200, body: JSON.stringify({ data: { viewer: { accountId: 'a' } } }) };
  expect(await ask()).toEqual({ viewer: { accountId: 'a' } });
  expect(heard.headers).toMatchObject({ 'x-kelpie-key': 'a-secret', 'content-type': 'application/json' });
  expect(heard.body).toMatchObject({ query: expect.stringContaining('query Viewer') as string, variables: {} });
});

test('rejects with what the server says is wrong, whatever the status', async () => {
  answer = { status: 200, body: JSON.stringify({ data: null, errors: [{ message: 'no such key' }] }) };
  await expect(ask()).rejects.toThrow(/^no such key$/);
  answer = { status: 403, body: JSON.stringify({ errors: [{ message: 'revoked' }] }) };
  await expect(ask()).rejects.toThrow(/^revoked$/);
  answer = { status: 200, body: '{"data":null}' };
  await expect(ask()).rejects.toThrow('without data');
});

test('rejects what is no answer of a GraphQL server, and says what came', async () => {
  answer = { status: 502, body: '<html>Bad Gateway</html>' };
  await expect(ask()).rejects.toThrow(/status 502 and "<html>Bad Gateway.*KELPIE_API_URL/);
});

test('reads no answer that goes on without end', async () => {
  answer = { status: 200, body: JSON.stringify({ data: { viewer: 'x'.repeat(9 * 2 ** 20) } }) };
  await expect(ask()).rejects.toThrow('Expected an answer of at most 8388608 bytes, got more');
});

test('follows nobody elsewhere, who would be shown the key', async () => {
  const elsewhere = createServer((_request, response) => void response.end('{}'));
  let isAsked = false;
  elsewhere.on('request', () => (isAsked = true));
  const port = await listenLocally(elsewhere);
  answer = { status: 308, body: '', headers: { Location: `http://127.0.0.1:${port}/graphql` } };
  await expect(ask()).rejects.toThrow(/status 308 .*KELPIE_API_URL/);
  elsewhere.closeAllConnections();
  elsewhere.close();
  expect(isAsked).toBe(false);
});

test('rejects when it is given up', async () => {
  await expect(ask(AbortSignal.abort(new Error('given up')))).rejects.toThrow('given up');
});

test.each([
  [200, 'FORBIDDEN', true],
  [401, 'UNAUTHENTICATED', true],
  [403, undefined, true],
  [200, 'BAD_USER_INPUT', false],
  [500, undefined, false],
])('an answer of status %i with code %s refuses the credentials: %s', async (status, code, isRefusal) => {
  answer = { status, body: JSON.stringify({ errors: [{ message: 'no', extensions: { code } }] }) };
  refusals = 0;
  await expect(ask()).rejects.toThrow(/^no$/);
  expect(refusals > 0).toBe(isRefusal);
});
