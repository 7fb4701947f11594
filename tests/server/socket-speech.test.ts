import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeServer } from 'graphql-ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createLog } from '../../server/log.ts';
import { createPingRound, pings } from '../../server/ping-round.ts';
import { speak } from '../../server/socket-speech.ts';
import { createUnread } from '../../server/unread.ts';
import { until } from '../support/until.ts';

/** What the library was asked to answer: of each ping the payload. */
const byLibrary: unknown[] = [];
const protocol = makeServer<Record<string, unknown>, Parameters<typeof speak>[1]>({
  onPing: (_context, payload) => void byLibrary.push(payload),
});
const MOST_UNREAD_BYTES = 500_000;

let server: WebSocketServer;
beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  const unread = createUnread(MOST_UNREAD_BYTES);
  const options = { pingRound: createPingRound(pings), unread, log: createLog('silent') };
  server.on('connection', (socket, request) => speak(protocol, { socket, connection: request.socket }, options));
  await once(server, 'listening');
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

async function opened(): Promise<WebSocket> {
  const { port } = server.address() as AddressInfo;
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'graphql-transport-ws');
  await once(socket, 'open');
  return socket;
}

/** What is answered to this. */
async function answerTo(socket: WebSocket, said: string): Promise<string> {
  const answer = once(socket, 'message') as Promise<[Buffer]>;
  socket.send(said);
  return String((await answer)[0]);
}

test('a ping as clients write it is answered at once, any other by the library, to the same effect', async () => {
  const socket = await opened();
  expect(await answerTo(socket, '{"type":"ping"}')).toBe('{"type":"pong"}');
  expect(byLibrary).toEqual([]);
  expect(await answerTo(socket, '{ "type": "ping" }')).toBe('{"type":"pong"}');
  expect(await answerTo(socket, '{"type":"ping","payload":{"n":1}}')).toBe('{"type":"pong","payload":{"n":1}}');
  expect(byLibrary).toEqual([undefined, { n: 1 }]);
  socket.terminate();
});

test.each([
  ['in a binary frame', (socket: WebSocket) => socket.send(Buffer.from('{"type":"ping"}'))],
  ['with something after it', (socket: WebSocket) => socket.send('{"type":"ping"}{"type":"ping"}')],
])('a ping %s is no message of the protocol: the socket is closed', async (_, say) => {
  const socket = await opened();
  const closed = once(socket, 'close');
  say(socket);
  expect((await closed)[0]).toBe(4400);
});

test('a ping is answered after what has not left yet', async () => {
  const accepted = once(server, 'connection') as Promise<[WebSocket, IncomingMessage]>;
  const socket = await opened();
  const [client, { socket: connection }] = await accepted;
  const answers: string[] = [];
  socket.on('message', (data: Buffer) => void answers.push(data.toString()));
  connection.cork();
  socket.send('{"type":"ping","payload":{"n":1}}');
  await until('an answer that does not leave', () => client.bufferedAmount > 0);
  const before = client.bufferedAmount;
  socket.send('{"type":"ping"}');
  await until('another one', () => client.bufferedAmount > before);
  connection.uncork();
  await until('both answers', () => answers.length === 2);
  expect(answers).toEqual(['{"type":"pong","payload":{"n":1}}', '{"type":"pong"}']);
  socket.terminate();
});

test('who does not read what is told is ended when too much of it is held, and who reads is not', async () => {
  const [reader, other] = [await opened(), await opened()];
  await until('both', () => server.clients.size === 2);
  other.pause();
  // More than the buffers between two processes hold.
  const ping = JSON.stringify({ type: 'ping', payload: { text: 'x'.repeat(1_000_000) } });
  for (let n = 0; n < 30; n++) other.send(ping);
  await until('the end of one', () => server.clients.size === 1);
  expect(await answerTo(reader, '{"type":"ping"}')).toBe('{"type":"pong"}');
  reader.terminate();
  other.terminate();
});
