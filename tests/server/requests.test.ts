import { createServer, get, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { listenLocally } from '../../lib/port.ts';
import { createLog } from '../../server/log.ts';
import { addressOf, requestId } from '../../server/requests.ts';
import { startTestApp } from '../support/app.ts';

const lines: string[] = [];
const app = await startTestApp({ log: createLog('info', { write: (line) => void lines.push(line) }) });
afterAll(() => app.close());

describe('a request’s id', () => {
  test.each(['a', 'A-Z_0.9', 'x'.repeat(128)])('is the caller’s where that is plain: %s', (id) => {
    expect(requestId(id)).toBe(id);
  });

  test.each([undefined, null, '', 'x'.repeat(129), 'a b', 'a\n', 'ä', '<b>', ['a', 'b'], '{"a":1}'])(
    'is a new one where that is not: %j',
    (id) => {
      expect(requestId(id)).toMatch(/^[0-9a-f-]{36}$/);
      expect(requestId(id)).not.toBe(requestId(id));
    },
  );
});

describe('where a request comes from', () => {
  const from = (remoteAddress: string | undefined, forwarded?: string) =>
    ({ socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } }) as unknown as IncomingMessage;
  const direct = { trustedProxies: 0 };

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::1', '2001:db8:1:2'],
    ['2001:DB8::1', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    [undefined, ''],
  ])('is the address of %j', (remote, address) => {
    expect(addressOf(from(remote), direct)).toBe(address);
  });

  test.each([
    [0, '203.0.113.9', '192.0.2.1'],
    [1, '203.0.113.9', '203.0.113.9'],
    [1, '198.51.100.1, 203.0.113.9', '203.0.113.9'],
    [2, '198.51.100.1, 203.0.113.9', '198.51.100.1'],
    [3, '198.51.100.1, 203.0.113.9', '192.0.2.1'],
    [1, 'somebody', '192.0.2.1'],
    [1, undefined, '192.0.2.1'],
  ])('behind %i proxies is what the outermost of them was asked from: %j', (trustedProxies, forwarded, address) => {
    expect(addressOf(from('192.0.2.1', forwarded), { trustedProxies })).toBe(address);
  });

  test('is known of a real connection', async () => {
    const server = createServer((request, response) => response.end(addressOf(request, direct)));
    const port = await listenLocally(server);
    expect(await (await fetch(`http://127.0.0.1:${port}`)).text()).toBe('127.0.0.1');
    server.closeAllConnections();
    server.close();
  });
});

describe('every answer bears an id', () => {
  test.each([
    ['GET', '/jobs'],
    ['GET', '/users/me'],
    ['GET', '/nowhere'],
    ['OPTIONS', '/jobs'],
    ['GET', '/livez'],
    ['GET', '/docs'],
    ['GET', '/graphql?query={viewer{role}}'],
    ['POST', '/graphql'],
    ['OPTIONS', '/graphql'],
    ['DELETE', '/graphql'],
  ])('%s %s, the caller’s or a new one', async (method, path) => {
    const { secret } = await app.account();
    for (const key of [{}, { 'X-Kelpie-Key': secret }]) {
      const named = await fetch(`${app.url}${path}`, { method, headers: { ...key, 'X-Request-Id': 'mine.1' } });
      expect(named.headers.get('x-request-id')).toBe('mine.1');
      const hostile = await fetch(`${app.url}${path}`, { method, headers: { ...key, 'X-Request-Id': 'a b' } });
      expect(hostile.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  test('once, however it is asked for', async () => {
    const [response] = (await once(get(`${app.url}/livez`, { headers: { 'X-Request-Id': 'once' } }), 'response')) as [
      IncomingMessage,
    ];
    response.resume();
    expect(response.rawHeaders.filter((name) => name.toLowerCase() === 'x-request-id')).toHaveLength(1);
  });

  test('and what the log says of it has the same, over REST and GraphQL', async () => {
    const { secret } = await app.account();
    const headers = { 'X-Kelpie-Key': secret, 'Content-Type': 'application/json' };
    await app.database.query('alter table jobs rename to jobs_elsewhere');
    try {
      const rest = await fetch(`${app.url}/jobs`, { headers: { ...headers, 'X-Request-Id': 'rest-1' } });
      expect(rest.status).toBe(500);
      const body = JSON.stringify({ query: '{ jobs { totalCount } }' });
      const init = { method: 'POST', headers: { ...headers, 'X-Request-Id': 'graphql-1' }, body };
      expect(await (await fetch(`${app.url}/graphql`, init)).text()).toContain('INTERNAL_SERVER_ERROR');
    } finally {
      await app.database.query('alter table jobs_elsewhere rename to jobs');
    }
    const logged = lines.map((line) => JSON.parse(line) as { request_id?: string; level: number });
    for (const id of ['rest-1', 'graphql-1']) {
      expect(logged.filter(({ request_id: of, level }) => of === id && level === 50)).toHaveLength(1);
    }
    expect(lines.join('')).not.toContain(secret);
  });
});
