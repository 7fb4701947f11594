import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { listenLocally } from '../../lib/port.ts';
import { createHttpServer, type HttpBounds } from '../../server/http-server.ts';
import { createUnread } from '../../server/unread.ts';
import { until } from '../support/until.ts';

const closing: (() => void)[] = [];
afterAll(() => closing.forEach((close) => close()));

const MIB = 1024 * 1024;

/** A server that answers each request with so much, after a while. */
async function serve(
  { unreadBytes = 1_024 * MIB, ...bounds }: Partial<HttpBounds> & { unreadBytes?: number },
  bytes: number,
  afterMs = 0,
) {
  const responses: ServerResponse[] = [];
  const unread = createUnread(unreadBytes);
  const server = createHttpServer({ connections: 10, unread, ...bounds }, (_request, response) => {
    responses.push(response);
    void delay(afterMs).then(() => response.end(Buffer.alloc(bytes)));
  });
  const port = await listenLocally(server);
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const ask = (): Socket => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    return socket.pause();
  };
  return { responses, ask };
}

test('an answer of which nothing is read is ended', async () => {
  const { responses, ask } = await serve({ patienceMs: 200 }, 64 * MIB);
  const socket = ask();
  const response = await until('the request', () => responses[0]);
  await once(response, 'close');
  expect(response.writableFinished).toBe(false);
  socket.destroy();
});

test('one that is read slowly, or waited for, is not', async () => {
  const { responses, ask } = await serve({ patienceMs: 1_000 }, 12 * MIB, 1_500);
  const socket = ask();
  let read = 0;
  socket.on('data', (chunk: Buffer) => {
    read += chunk.length;
    socket.pause();
    setTimeout(() => socket.resume(), 8);
  });
  socket.resume();
  await once(socket, 'close');
  expect(read).toBeGreaterThan(12 * MIB);
  expect(responses[0]?.writableFinished).toBe(true);
});

test('when all hold too much, those go first of which nothing was read for the longest', async () => {
  const { responses, ask } = await serve({ unreadBytes: 150 * MIB }, 64 * MIB);
  const sockets: Socket[] = [];
  for (const count of [1, 2]) {
    sockets.push(ask());
    await until('what is sent to stay behind', () => (responses[count - 1]?.writableLength ?? 0) > 32 * MIB);
    // So that the watch sees them one after the other.
    await delay(300);
  }
  expect(responses.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  sockets.push(ask());
  const [first, second] = responses;
  if (first === undefined || second === undefined) throw new Error('Expected two answers');
  await once(first, 'close');
  await delay(300);
  expect(responses.map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
  for (const socket of sockets) socket.destroy();
});
