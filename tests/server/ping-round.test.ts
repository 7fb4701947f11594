import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createPingRound } from '../../server/ping-round.ts';
import { until } from '../support/until.ts';

const AGENTS_MS = 800;
const LOOK_MS = AGENTS_MS / 8;

let server: WebSocketServer;
beforeEach(async () => {
  // Time passes by hand; the sockets are real.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
});
afterEach(async () => {
  vi.useRealTimers();
  for (const client of server.clients) client.terminate();
  await new Promise((resolve) => server.close(resolve));
});

/** An agent's socket that is watched, and answers no ping unless it is told to. */
async function watchedAgent() {
  const opened = once(server, 'connection') as Promise<[WebSocket, { socket: Socket }]>;
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { autoPong: false });
  const heard: string[] = [];
  client.on('ping', () => heard.push('ping'));
  client.on('close', () => heard.push('close'));
  const [socket, { socket: connection }] = await opened;
  await once(client, 'open');
  createPingRound({ agentsMs: AGENTS_MS, othersMs: 5 * AGENTS_MS }).watch(socket, connection, () => true);
  const looks = async (count: number) => {
    for (let n = 0; n < count; n++) {
      vi.advanceTimersByTime(LOOK_MS);
      await nextTurn();
    }
  };
  /** Lets what the client sends arrive. */
  const says = async (say: () => void) => {
    const before = connection.bytesRead;
    say();
    await until('what was said', () => connection.bytesRead > before);
  };
  // Nothing was known of it at the first look.
  await looks(1);
  return { client, socket, heard, looks, says };
}

test('who is silent is pinged, and has the whole time from the ping on for an answer, each time', async () => {
  const { client, socket, heard, looks, says } = await watchedAgent();
  for (const round of [1, 2]) {
    await looks(8);
    expect(heard).toHaveLength(round - 1);
    await looks(1);
    await until('the ping', () => heard.length === round);
    await looks(7);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    await says(() => client.pong());
    await looks(1);
  }
  await looks(9);
  await until('the last ping', () => heard.length === 3);
  await looks(8);
  await until('the end', () => heard.at(-1) === 'close');
  expect(heard).toEqual(['ping', 'ping', 'ping', 'close']);
});

test('who pings by itself, a little late at times, is never asked', async () => {
  const { client, heard, looks, says } = await watchedAgent();
  for (const pause of [8, 8, 7, 8]) {
    await looks(pause);
    await says(() => client.ping());
    await looks(1);
  }
  await looks(8);
  expect(heard).toEqual([]);
});
