import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApp } from '../support/app.ts';
import { ask, refusal } from '../support/graphql.ts';
import { openRaw } from '../support/raw-socket.ts';
import { until } from '../support/until.ts';

const app = await startTestApp({
  http: { headersMs: 300, requestMs: 600 },
  introspection: false,
  graphiql: false,
});
afterAll(() => app.close());
const { secret: key } = await app.account();
const { port } = new URL(app.url);

describe('a slow client', () => {
  test.each([
    ['its headers', 'GET /livez HTTP/1.1\r\nHost: a\r\n'],
    ['a body', `POST /jobs HTTP/1.1\r\nHost: a\r\nX-Kelpie-Key: ${key}\r\nContent-Length: 100\r\n\r\n{`],
    [
      'a body of GraphQL',
      'POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    ],
  ])('that never ends %s loses its connection', async (_what, text) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(text);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(socket, 'close');
    expect(Buffer.concat(chunks).toString()).toContain('408');
  });

  test('with headers that are too large is told so', async () => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`GET /livez HTTP/1.1\r\nHost: a\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`);
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    expect(chunk.toString()).toContain('431');
  });
});

describe('every answer', () => {
  test.each(['/docs', '/livez', '/jobs', '/graphql', '/nowhere'])(
    'tells browsers what to hold to: %s',
    async (path) => {
      const { headers } = await fetch(`${app.url}${path}`);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      // One policy: of two, a browser would hold the page to both.
      expect(headers.get('content-security-policy')).not.toContain(',');
    },
  );
});

describe('a socket', () => {
  test('that says nothing is closed within 3 s', async () => {
    const start = performance.now();
    const [code] = await openRaw(app.url).closed;
    expect(code).toBe(4408);
    expect(performance.now() - start).toBeLessThan(4_500);
  });

  test('that says a lot before who it is, is cut off', async () => {
    const raw = openRaw(app.url);
    await once(raw.socket, 'open');
    raw.socket.send('x'.repeat(1_000_000));
    expect((await raw.closed)[0]).toBe(1006);
  });

  test('that says a lot afterwards is heard', async () => {
    const raw = openRaw(app.url, { 'X-Kelpie-Key': key });
    await once(raw.socket, 'message');
    const payload = { query: '{ viewer { role } }', variables: { unused: 'x'.repeat(200_000) } };
    raw.send({ id: '1', type: 'subscribe', payload });
    await until('an answer', () => raw.heard.some(({ type }) => type === 'next'));
    raw.socket.terminate();
  });

  test('of another protocol is closed', async () => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`);
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(4406);
  });
});

describe('what can be turned off', () => {
  test('introspection, with the suggestions that would tell of the schema', async () => {
    expect((await refusal(app, key, '{ __schema { types { name } } }')).message).toContain('introspection');
    expect((await refusal(app, key, '{ viewr { role } }')).message).not.toContain('viewer');
    expect(await ask(app, key, '{ viewer { __typename role } }')).toEqual({ __typename: 'Viewer', role: 'OWNER' });
  });

  test('GraphiQL', async () => {
    const response = await fetch(`${app.url}/graphql`, { headers: { Accept: 'text/html' } });
    expect(await response.text()).not.toContain('<html');
  });
});
