import { connect } from 'node:net';
import { once } from 'node:events';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { afterAll, expect, test } from 'vitest';
import { asAsker, isAsking } from '../../../core/fair-share.ts';
import { listenLocally } from '../../../lib/port.ts';
import { createHttpServer } from '../../../server/http-server.ts';
import { respondWithStream, type SentEvent } from '../../../server/rest/event-stream.ts';
import type { RestEnv } from '../../../server/rest/parts.ts';
import { createUnread } from '../../../server/unread.ts';
import { until } from '../../support/until.ts';

let produced = 0;
let ends = 0;
const logged: unknown[] = [];
async function* endless(): AsyncGenerator<SentEvent, void, undefined> {
  for (;;) {
    await Promise.resolve();
    produced += 1;
    yield { id: String(produced), data: { filling: 'x'.repeat(10_000) } };
  }
}
async function* marked(): AsyncGenerator<SentEvent, void, undefined> {
  for (let n = 0; n < 3; n++) {
    await Promise.resolve();
    yield { data: isAsking() };
  }
}
async function* broken(): AsyncGenerator<SentEvent, void, undefined> {
  await Promise.resolve();
  throw new Error('the database is away');
}

const app = new Hono<RestEnv>();
const around = {
  stopping: new AbortController().signal,
  log: { error: (fields: unknown) => logged.push(fields) },
  onEnd: () => (ends += 1),
};
app.get('/endless', (context) => respondWithStream(context, endless(), around));
app.get('/marked', (context) =>
  asAsker({ accountId: 'a', keyId: 'k' }, () => respondWithStream(context, marked(), around)),
);
app.get('/broken', (context) => respondWithStream(context, broken(), around));
const server = createHttpServer(
  { connections: 10, unread: createUnread(2 ** 30), patienceMs: 200 },
  (request, response) => {
    void getRequestListener((each) => app.fetch(each, { hangUp: () => void response.destroy() }), {
      overrideGlobalObjects: false,
    })(request, response);
  },
);
const port = await listenLocally(server);
afterAll(() => server.close());

test('a client that does not read costs what its connection buffers, and is cut off', async () => {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.pause();
  socket.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n');
  await until('events to be produced', () => produced > 0);
  await until('the stream to be ended', () => ends === 1);
  const atEnd = produced;
  // What the kernel takes is some megabytes, whatever the stream would give.
  expect(atEnd).toBeLessThan(2_000);
  socket.destroy();
  expect(produced).toBe(atEnd);
});

test('a client that leaves ends the stream', async () => {
  const before = ends;
  const leaving = new AbortController();
  const response = await fetch(`http://127.0.0.1:${port}/endless`, { signal: leaving.signal });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  await response.body?.getReader().read();
  leaving.abort();
  await until('the stream to be ended', () => ends === before + 1);
});

test('events that break off end the stream well, and are told to the log', async () => {
  const before = ends;
  const text = await (await fetch(`http://127.0.0.1:${port}/broken`)).text();
  expect(text).toBe('retry: 2000\n\n');
  expect(ends).toBe(before + 1);
  expect(logged).toHaveLength(1);
});

test('what is told is asked for in turns by who has asked for the stream, whoever pulls', async () => {
  const text = await (await fetch(`http://127.0.0.1:${port}/marked`)).text();
  expect(text.match(/data: .*/g)).toEqual(['data: true', 'data: true', 'data: true']);
});
