import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { randomUUID } from 'node:crypto';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, describe, expect, test } from 'vitest';
import { RateLimitedError, UnavailableError } from '../../core/errors.ts';
import { createBodies, FREE_BYTES_OF_MESSAGE } from '../../server/bodies.ts';
import { defaultLimits } from '../../server/limits.ts';
import { createRates } from '../../server/rate.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { ask } from '../support/graphql.ts';
import { openRaw, type RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/until.ts';

/** Of each body the first 16 KiB are free. */
const FREE = 16_384;
const small = { KELPIE_MAX_BODIES_BYTES: 300_000, KELPIE_MAX_ACCOUNT_BODIES_BYTES: 200_000 };

describe('what is read at once', () => {
  const bodies = () => createBodies({ ...defaultLimits, ...small });

  test('is bounded of each account, and of all; what is over makes room', () => {
    const { begin } = bodies();
    const [one, other, third] = [begin('a'), begin('a'), begin('b')];
    one.add(150_000 + FREE);
    expect(() => other.add(50_001 + FREE)).toThrow(RateLimitedError);
    other.add(50_000 + FREE);
    expect(() => third.add(100_001 + FREE)).toThrow(UnavailableError);
    third.add(100_000 + FREE);
    one.end();
    one.end();
    third.add(100_000);
    expect(() => third.add(1)).toThrow(RateLimitedError);
    expect(() => one.add(50_001 + FREE)).toThrow(UnavailableError);
  });

  test('takes what is small however much there is', () => {
    const { begin } = bodies();
    begin('a').add(200_000 + FREE);
    begin('b').add(100_000 + FREE);
    for (const account of ['a', 'b', 'c']) expect(() => begin(account).add(FREE)).not.toThrow();
  });

  test('is taken back what was no part of it, and no more than there was', () => {
    const reading = bodies().begin('a');
    reading.add(200_000 + FREE);
    reading.add(-6);
    reading.add(6);
    reading.add(-1_000_000);
    reading.add(200_000 + FREE);
    expect(() => reading.add(1)).toThrow(RateLimitedError);
  });
});

const whole = new AsyncDisposableStack();
afterAll(() => whole.disposeAsync());
const app = await started({ limits: small });

async function started(options: Parameters<typeof startTestApp>[0]): Promise<TestApp> {
  const app = await startTestApp(options);
  whole.defer(app.close);
  return app;
}

/** A request of which so much is sent, and no end. */
function begun({
  key,
  path = '/graphql',
  bytes,
  url = app.url,
}: {
  key: string;
  path?: string;
  bytes: number;
  url?: string;
}) {
  const headers = { 'Content-Type': 'application/json', 'X-Kelpie-Key': key };
  const asked = request(`${url}${path}`, { method: 'POST', agent: false, headers });
  asked.on('error', () => undefined);
  asked.write(' '.repeat(bytes));
  whole.defer(() => void asked.destroy());
  return asked;
}

async function answerTo(
  asked: ClientRequest,
): Promise<{ status: number | undefined; retry: string | undefined; text: string }> {
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: response.statusCode, retry: response.headers['retry-after'], text: await textOf(response) };
}

/** Whether a body of this size is refused, as others are under way. */
async function refusedAs(key: string, bytes: number, path = '/graphql') {
  const asked = begun({ key, path, bytes });
  asked.end();
  return answerTo(asked);
}

describe.each(['/graphql', '/jobs'])('bodies to %s whose end does not come', (path) => {
  test('hold no more of an account than the bound, nor of all accounts; small ones pass, and who goes makes room', async () => {
    const [{ secret: key }, { secret: other }] = [await app.account(), await app.account()];
    const slow = begun({ key, path, bytes: 180_000 });
    await until('the first to be held', async () => (await refusedAs(key, 100_000)).status === 429);
    const refused = await refusedAs(key, 100_000, path);
    expect(refused).toMatchObject({ status: 429, retry: '1' });
    expect(refused.text).toContain('KELPIE_MAX_ACCOUNT_BODIES_BYTES');
    const second = begun({ key: other, path, bytes: 140_000 });
    await until('both to be held', async () => (await refusedAs(other, 60_000)).status === 503);
    expect(await refusedAs(other, 60_000, path)).toMatchObject({ status: 503, retry: '1' });
    expect(await app.graphql(key, '{ viewer { role } }')).toMatchObject({ data: { viewer: {} } });
    slow.destroy();
    second.destroy();
    await until('room', async () => (await refusedAs(key, 190_000)).status === 400);
  });
});

test('a worker’s report holds little, whatever it announces', async () => {
  const { secret: key } = await app.account();
  const asked = begun({ key, path: `/jobs/${randomUUID()}/heartbeat`, bytes: 70_000 });
  expect(await answerTo(asked)).toMatchObject({
    status: 413,
    text: expect.stringContaining('65536 bytes in a report') as string,
  });
});

describe('of a key that has asked too often', () => {
  test('a large body is refused before it has come', async () => {
    const rated = await started({ rates: createRates({ perKey: 1, refusalsPerAddress: 0 }) });
    const { secret: key } = await rated.account();
    for (let time = 0; time < 5; time++) await ask(rated, key, '{ viewer { role } }', {});
    const asked = begun({ key, bytes: 140_000, url: rated.url });
    const answer = await answerTo(asked);
    expect(answer).toMatchObject({ status: 429, text: expect.stringContaining('KELPIE_RATE_PER_KEY') as string });
    asked.destroy();
  });
});

describe('messages on sockets whose end does not come', () => {
  /** The head of a client's frame, with a mask of zeros. */
  function head(opcode: number, size: number, isLast: boolean): Buffer {
    const bytes = Buffer.alloc(size < 126 ? 6 : 14);
    bytes[0] = opcode | (isLast ? 0x80 : 0);
    bytes[1] = 0x80 | (size < 126 ? size : 127);
    if (size >= 126) bytes.writeBigUInt64BE(BigInt(size), 2);
    return bytes;
  }

  /** What the library writes to, for frames that it would not write. */
  function wireOf(raw: RawSocket): Socket {
    const { _socket: wire } = raw.socket as unknown as { _socket: Socket };
    return wire;
  }

  async function opened(key: string): Promise<RawSocket> {
    const raw = openRaw(app.url, { 'X-Kelpie-Key': key });
    whole.defer(() => raw.socket.terminate());
    await until('the socket to be let in', () => raw.heard.length === 1);
    return raw;
  }

  test('hold no more than bodies may, beside them; the socket is told to come again', async () => {
    const { secret: key } = await app.account();
    const both = [await opened(key), await opened(key)];
    const unfinished = Buffer.concat([head(1, 1_000_000, true), Buffer.alloc(FREE_BYTES_OF_MESSAGE + 150_000, ' ')]);
    for (const raw of both) wireOf(raw).write(unfinished);
    const closed = await Promise.race(both.map((raw) => raw.closed));
    expect(closed).toEqual([1013, expect.stringContaining('KELPIE_MAX_ACCOUNT_BODIES_BYTES')]);
    expect((await refusedAs(key, 190_000)).status).toBe(400);
  });

  test('that have come count for as long as what they follow is followed', async () => {
    const { secret: key } = await app.account();
    const [raw, other] = [await opened(key), await opened(key)];
    const payload = {
      query: 'subscription { containerGroupUpdated(id: "group") { pending } }',
      variables: { unused: 'x'.repeat(150_000) },
    };
    const follow = async (by: RawSocket, id: string) => {
      by.send({ id, type: 'subscribe', payload });
      await until('the answer', () => by.heard.some((message) => message.id === id));
      return by.heard.find((message) => message.id === id);
    };
    const isRefused = { type: 'error', payload: [{ extensions: { code: 'RATE_LIMITED' } }] };
    expect(await follow(raw, '1')).toMatchObject({ type: 'next' });
    expect(await follow(raw, '2')).toMatchObject(isRefused);
    expect(await follow(other, '3')).toMatchObject(isRefused);
    raw.send({ id: '1', type: 'complete' });
    for (let id = 4; (await follow(other, String(id)))?.type !== 'next';) id += 1;
    expect(await follow(raw, '2000')).toMatchObject(isRefused);
    other.socket.terminate();
    for (let id = 2001; (await follow(raw, String(id)))?.type !== 'next';) id += 1;
  });

  test('count no more when their end has come, nor do pings between', async () => {
    const { secret: key } = await app.account();
    const raw = await opened(key);
    const ping = JSON.stringify({ type: 'ping', payload: { text: 'x'.repeat(100_000) } });
    for (let time = 1; time <= 10; time++) {
      raw.socket.send(ping);
      await until('the answer', () => raw.heard.length === 1 + time);
    }
    const pongs = Buffer.concat(
      Array.from({ length: 3_000 }, () => Buffer.concat([head(10, 100, true), Buffer.alloc(100)])),
    );
    wireOf(raw).write(pongs);
    raw.socket.send('{"type":"ping"}');
    await until('the last answer', () => raw.heard.length === 12);
    raw.socket.terminate();
  });
});

test('a socket that nobody knows is still cut off after 64 KiB', async () => {
  const raw = openRaw(app.url);
  await once(raw.socket, 'open');
  raw.socket.send('x'.repeat(100_000));
  expect((await raw.closed)[0]).toBe(1006);
});
