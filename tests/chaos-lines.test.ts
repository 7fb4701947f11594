import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type S3, startS3 } from '../deploy/local/s3.ts';
import { listenLocally } from '../lib/port.ts';
import { encodeCheckpoint } from './chaos/computation.ts';
import { type Link, openLink } from './chaos/proxy.ts';
import { createRandom } from './chaos/random.ts';
import { openStoreDoor, type StoreDoor } from './chaos/store.ts';
import { until } from './support/until.ts';

describe('a line that can be disturbed', () => {
  let link: Link;
  let peer: Server;
  let arrived: string;
  let client: Socket;
  let events: string[];

  beforeEach(async () => {
    arrived = '';
    events = [];
    peer = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('data', (chunk) => {
        arrived += chunk.toString();
        socket.write(`echo ${chunk.toString()}`);
      });
      socket.on('end', () => {
        events.push('end');
        socket.end();
      });
      socket.on('error', () => events.push('reset'));
    });
    const port = await listenLocally(peer);
    link = await openLink(() => port);
    client = await connected();
  });
  afterEach(async () => {
    client.destroy();
    await link.close();
    peer.close();
  });

  async function connected(): Promise<Socket> {
    const socket = connect(link.port, '127.0.0.1');
    socket.on('error', (error) => events.push(`client: ${error.message}`));
    await once(socket, 'connect');
    return socket;
  }

  /** What passes is answered. */
  async function exchange(text: string): Promise<void> {
    client.write(text);
    await once(client, 'data');
  }

  it('carries both ways, and the end', async () => {
    await exchange('hello');
    client.end();
    await once(client, 'close');
    expect(arrived).toBe('hello');
    expect(events).toEqual(['end']);
  });

  it('when held, lets nothing through, and later what was on its way and the end of it', async () => {
    await exchange('a');
    link.set({ is: 'HELD' });
    client.write('b');
    client.end();
    const other = await connected();
    other.write('c');
    // Time enough for what should not happen; it is never waited for.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(arrived).toBe('a');
    link.set({ is: 'OPEN' });
    await until('what was held', () => arrived.length === 3 && events.includes('end'));
    other.destroy();
  });

  it('when held, forgets what a side has reset', async () => {
    await exchange('a');
    link.set({ is: 'HELD' });
    client.write('b');
    client.resetAndDestroy();
    await until('the reset', () => events.includes('reset'));
    link.set({ is: 'OPEN' });
    client = await connected();
    await exchange('c');
    expect(arrived).toBe('ac');
  });

  it('when cut, ends what there is and takes nothing new', async () => {
    await exchange('a');
    link.set({ is: 'CUT' });
    await until('the cut', () => events.includes('reset') && client.destroyed);
    const refused = connect(link.port, '127.0.0.1').on('error', () => undefined);
    await new Promise((resolve) => refused.once('close', resolve));
    link.set({ is: 'OPEN' });
    client = await connected();
    await exchange('b');
    expect(arrived).toBe('ab');
  });

  it('when slow, takes its time', async () => {
    link.set({ is: 'SLOW', delayMs: 30, bytesPerSecond: 1_000 });
    const began = performance.now();
    await exchange('x'.repeat(100));
    expect(performance.now() - began).toBeGreaterThan(130);
  });
});

describe('the door of the store', () => {
  let s3: S3;
  let door: StoreDoor;
  beforeEach(async () => {
    s3 = await startS3({ buckets: ['bucket'] });
    door = await openStoreDoor(s3.url, createRandom('door'));
  });
  afterEach(async () => {
    await door.close();
    await s3.stop();
  });

  const key = 'job-1/checkpoints/checkpoint-000003.bin';
  const whole = encodeCheckpoint({ job: 'job-1', step: 3, state: 'x' }, 10);

  async function ask(method: string, body?: Buffer): Promise<Response> {
    return fetch(`http://127.0.0.1:${door.port}/bucket/${key}`, {
      method,
      headers: { authorization: 'AWS4-HMAC-SHA256 Credential=agent-7/20260101/us-east-1/s3/aws4_request' },
      ...(body !== undefined && { body: new Uint8Array(body) }),
    });
  }

  it('writes down who changed what, and whether it was whole', async () => {
    expect((await ask('PUT', whole)).status).toBe(200);
    expect((await ask('PUT', whole.subarray(1))).status).toBe(200);
    expect((await ask('GET')).status).toBe(200);
    await ask('DELETE');
    expect(door.writes.map(({ accessKey, kind, done, whole: isWhole }) => [accessKey, kind, done, isWhole])).toEqual([
      ['agent-7', 'PUT', true, true],
      ['agent-7', 'PUT', true, false],
      ['agent-7', 'DELETE', true, undefined],
    ]);
  });

  it('refuses without asking the store', async () => {
    door.trouble = { kind: 'ANSWERS_503', share: 1 };
    expect((await ask('PUT', whole)).status).toBe(503);
    expect(door.writes).toEqual([]);
  });

  it('lies about what was done, or says nothing', async () => {
    door.trouble = { kind: 'DENIES_SUCCESS', share: 1 };
    expect((await ask('PUT', whole)).status).toBe(500);
    door.trouble = { kind: 'LOSES_ANSWERS', share: 1 };
    await expect(ask('PUT', whole)).rejects.toThrow();
    expect(door.writes.map(({ done }) => done)).toEqual([true, true]);
  });

  it('cuts a body short', async () => {
    await ask('PUT', whole);
    door.trouble = { kind: 'CUTS_BODIES', share: 1 };
    await expect(ask('GET').then((response) => response.arrayBuffer())).rejects.toThrow();
  });
});
