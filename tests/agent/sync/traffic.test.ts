import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createS3Store, type ObjectStore } from '../../../agent/sync/s3.ts';
import { createTraffic } from '../../../agent/sync/traffic.ts';
import { always, benchOfFile, BUCKET } from './support/bench.ts';

const bench = await benchOfFile();
const stores: ObjectStore[] = [];
afterEach(() => stores.splice(0).forEach((store) => store.close()));

function open(endpoint: string, more: { maxUploadMbps?: number } = {}): ObjectStore {
  const store = createS3Store({ endpoint, region: 'us-east-1', ...more });
  stores.push(store);
  return store;
}

const put = (store: ObjectStore, key: string, bytes: number) =>
  store.put({ bucket: BUCKET, key }, Buffer.alloc(bytes, 'x'), { contentType: 'text/plain' }, always);

describe('the traffic of one agent', () => {
  test('has so many places at first, and half of them once the store wants less', async () => {
    const traffic = createTraffic();
    const places = await Promise.all(Array.from({ length: 16 }, () => traffic.enter(always)));
    let isIn = false;
    const next = traffic.enter(always).then((place) => {
      isIn = true;
      place.leave(0);
    });
    places[0]!.refused();
    for (const place of places.slice(0, 8)) place.leave(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isIn).toBe(false);
    places[8]!.leave(0);
    places[8]!.leave(0);
    await next;
  });

  test('is given back by every request, also by those that fail', async () => {
    const store = open(bench.relay.url);
    bench.relay.interfere = async ({ key }) => (key.endsWith('bad') ? 503 : undefined);
    const bad = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => put(store, `many/${index}-bad`, 1)));
    for (const one of bad) expect(one).toMatchObject({ reason: { $metadata: { httpStatusCode: 503 } } });
    await Promise.all(Array.from({ length: 60 }, (_, index) => put(store, `many/${index}`, 100)));
    const abort = new AbortController();
    const file = store.land(bench.local('many-1'), false);
    const take = (signal: AbortSignal) =>
      file.take({ bucket: BUCKET, key: 'many/1' }, { totalSize: 100 }, () => undefined, signal);
    expect(await take(always)).toMatchObject({ isExpected: true, received: 100 });
    abort.abort(new Error('told to'));
    await expect(take(abort.signal)).rejects.toThrow('told to');
    await file.drop(always);
    expect(await bench.keys('many/')).toHaveLength(60);
  });

  test('keeps to the limit for uploads, all of them together, in memory or made while they are sent', async () => {
    const megabytes = 1.5;
    const store = open(bench.relay.url, { maxUploadMbps: 16 });
    const piece = Buffer.alloc(2 ** 18, 'y');
    const uploadId = await store.createMultipart({ bucket: BUCKET, key: 'parts' }, { contentType: 'a/b' }, always);
    const produce = async (write: (content: Buffer) => Promise<void>) => {
      await write(piece);
      await write(piece);
    };
    const began = performance.now();
    await Promise.all([
      put(store, 'a', 2 ** 19),
      put(store, 'b', 2 ** 19),
      store.uploadPart(
        { bucket: BUCKET, key: 'parts' },
        { uploadId, number: 1, body: { size: 2 ** 19, produce } },
        always,
      ),
    ]);
    const seconds = (performance.now() - began) / 1000;
    // 16 megabits are 2 million bytes a second; a tenth of a second may be saved up.
    expect(seconds).toBeGreaterThan((megabytes * 2 ** 20) / 2e6 - 0.1);
    const arrived = bench.relay.seen.filter(({ method }) => method === 'PUT');
    expect(arrived.reduce((sum, { body }) => sum + body.length, 0)).toBe(megabytes * 2 ** 20);
  });
});

describe('a store that refuses a body that it has not read', () => {
  let server: Server;
  beforeAll(async () => {
    server = createServer((_, answer) => {
      answer.writeHead(403, { 'content-type': 'application/xml' });
      answer.end('<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>');
    });
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('is heard, by its own words, and whoever makes the body has ended by then', async () => {
    const store = open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    let making = true;
    const piece = Buffer.alloc(2 ** 20);
    const produce = async (write: (content: Buffer) => Promise<void>) => {
      try {
        for (let sent = 0; sent < 1000; sent++) await write(piece);
      } finally {
        making = false;
      }
    };
    const part = { uploadId: 'u', number: 1, body: { size: 1000 * piece.length, produce } };
    await expect(store.uploadPart({ bucket: BUCKET, key: 'k' }, part, always)).rejects.toMatchObject({
      name: 'AccessDenied',
      message: expect.stringMatching(/403 AccessDenied: not yours/) as unknown,
    });
    expect(making).toBe(false);
  });

  test('as well as a file that ends too early, which is the reason that is given', async () => {
    const store = open(bench.relay.url);
    const produce = async () => Promise.reject(new Error('the file ended'));
    const part = { uploadId: 'u', number: 1, body: { size: 10, produce } };
    await expect(store.uploadPart({ bucket: BUCKET, key: 'k' }, part, always)).rejects.toThrow('the file ended');
  });
});
