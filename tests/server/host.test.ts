import { createServer } from 'node:http';
import { createYoga } from 'graphql-yoga';
import { afterAll, describe, expect, test } from 'vitest';
import { listenLocally } from '../../lib/port.ts';
import { schema, type Context } from '../../schema/index.ts';
import type { Admitted } from '../../server/admitted-operations.ts';
import { createGraphQLListener } from '../../server/graphql-listener.ts';
import { hostOf, isNobodyElses } from '../../server/host.ts';
import { createLog } from '../../server/log.ts';
import { startTestApp } from '../support/app.ts';
import { bodyOf, rawRequest } from '../support/raw-request.ts';

const app = await startTestApp();
afterAll(() => app.close());

const usable: [string, string][] = [
  ['kelpie.example', 'kelpie.example'],
  ['Kelpie.Example:443', 'kelpie.example'],
  ['my_service:4000', 'my_service'],
  ['127.0.0.1:4000', '127.0.0.1'],
  ['127.1:4000', '127.1'],
  ['[::1]:4000', '[::1]'],
  ['[2001:DB8::1]', '[2001:db8::1]'],
];
const unusable = [
  'a b<>',
  '',
  'a/b',
  'user@a',
  'a?b',
  'a#b',
  'a\\b',
  'a:b',
  'a:99999',
  '[::1',
  '[x]',
  '999.1.1.1',
  'ä',
  'a%20b',
];

describe('the host that a request is for', () => {
  test.each(usable)('is the name of %s', (host, name) => {
    expect(hostOf({ headers: { host } })).toBe(name);
  });

  test.each(unusable)('is none where no URL can be made of it: %j', (host) => {
    expect(hostOf({ headers: { host } })).toBeUndefined();
  });

  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '[::1]',
    '[2001:db8::1]',
    'localhost',
    'a.localhost',
    'our.name',
    'kelpie-metrics',
    'my_service',
  ])('is nobody else’s: %s', (host) => expect(isNobodyElses(host, ['our.name'])).toBe(true));

  test.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'ai.', '.', '127.1', '1', '[x]'])(
    'may be somebody else’s: %s',
    (host) => expect(isNobodyElses(host, ['our.name'])).toBe(false),
  );
});

describe('a request for no host', () => {
  const asked = (path: string, host: string, more = '') =>
    rawRequest(app.url, `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`);

  test.each(['/graphql', '/jobs', '/livez', '/', '/nowhere'])(
    'is refused at every door, in our words: %s',
    async (path) => {
      const answer = await asked(path, 'a b<>', 'Content-Type: application/json\r\nContent-Length: 0\r\n');
      expect(answer).toMatch(/^HTTP\/1\.1 400 .*\r\n/);
      expect(answer).toMatch(/\r\nx-request-id: [0-9a-f-]{36}\r\n/i);
      expect(JSON.parse(bodyOf(answer))).toMatchObject({
        status: 400,
        detail: expect.stringContaining('Host') as string,
      });
    },
  );

  test('is refused before there is a socket', async () => {
    const upgrade = 'GET /graphql HTTP/1.1\r\nHost: a b<>\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    const more = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    const answer = await rawRequest(app.url, `${upgrade}${more}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*Expected a Host/);
  });
});

test('what is thrown outside of operations is told to the log, and not to who asks', async () => {
  const lines: string[] = [];
  const throwing = createYoga<Admitted, Context>({
    schema,
    plugins: [
      {
        onRequest() {
          throw new Error('the inside');
        },
      },
    ],
  });
  const log = createLog('info', { write: (line) => void lines.push(line) });
  const server = createServer(createGraphQLListener(throwing, log));
  const port = await listenLocally(server);
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, { headers: { Connection: 'close' } });
  server.close();
  expect([response.status, await response.json()]).toEqual([
    500,
    { errors: [{ message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }] },
  ]);
  expect(lines.join('')).toContain('the inside');
});
