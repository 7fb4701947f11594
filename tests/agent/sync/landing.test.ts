import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createSecureServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../../agent/sync/arrival.ts';
import { ArrivingFile, type Take } from '../../../agent/sync/arriving-file.ts';
import { FileFault } from '../../../agent/sync/file-fault.ts';
import { createLandings, type Landings } from '../../../agent/sync/landing.ts';
import { createLines } from '../../../agent/sync/lines.ts';
import { createStorageAgents } from '../../../agent/sync/sockets.ts';
import { always } from './support/bench.ts';
import { CERTIFICATE, CERTIFICATE_KEY } from './support/certificate.ts';

const TIMES = { stallMs: 30_000, connectMs: 10_000 };
let server: Server;
let landings: Landings;
let directory: string;
/** What the store does with each request, by its path. */
let answer: (socket: Socket, path: string) => void;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kelpie-landing-'));
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => answer(socket, bytes.toString('latin1').split(' ')[1] ?? ''));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  landings = createLandings(TIMES);
});
afterEach(async () => {
  landings.close();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

const headOf = (size: number, more = '', etag = '"parts-2"') =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\nETag: ${etag}\r\n${more}\r\n`;
const local = (name: string) => join(directory, name);
const ignore = () => undefined;

function takeOf(expects: Take['expects'], start = 0, from: Server = server, hostname = '127.0.0.1'): Take {
  const { port } = from.address() as AddressInfo;
  const peer = { isSecure: from !== server, hostname, port };
  return { peer, request: { path: '/data', headers: { host: hostname } }, start, expects };
}

describe('a file that the thread for downloads brings', () => {
  it.each([0, 1, 16_384, BLOCK_BYTES + 1, 5 * BLOCK_BYTES - 3])(
    'is as it was sent, has its time, and says its digest: %i bytes',
    async (size) => {
      const content = randomBytes(size);
      const md5 = createHash('md5').update(content).digest('hex');
      const modified = 'Wed, 21 Oct 2015 07:28:00 GMT';
      answer = (socket) =>
        socket.write(Buffer.concat([Buffer.from(headOf(size, `Last-Modified: ${modified}\r\n`, `"${md5}"`)), content]));
      const file = landings.begin(local('part'), false);
      let moved = 0;
      const taken = await file.take(takeOf({ size, totalSize: size }), (bytes) => (moved += bytes), always);
      expect(taken).toMatchObject({ isExpected: true, received: size, digest: md5, expands: false });
      expect(moved).toBe(size);
      const state = await file.keep(local('whole'), taken.lastModified, always);
      expect(state).toMatchObject({ size, mtimeNs: BigInt(Date.parse(modified)) * 1_000_000n });
      expect((await readFile(local('whole'))).equals(content)).toBe(true);
      expect(await readdir(directory)).toEqual(['whole']);
    },
  );

  it('has what came before the connection broke, and the rest where it belongs', async () => {
    const content = randomBytes(3 * BLOCK_BYTES);
    const half = BLOCK_BYTES + 77;
    answer = (socket) => socket.end(Buffer.concat([Buffer.from(headOf(content.length)), content.subarray(0, half)]));
    const file = landings.begin(local('part'), false);
    const first = await file.take(takeOf({ size: content.length, totalSize: content.length }), ignore, always);
    expect(first).toMatchObject({ received: half, failure: { message: expect.stringMatching(/closed/) as unknown } });
    answer = (socket) =>
      socket.write(Buffer.concat([Buffer.from(headOf(content.length - half)), content.subarray(half)]));
    const rest = takeOf({ size: content.length - half, etag: '"parts-2"' }, half);
    expect((await file.take(rest, ignore, always)).failure).toBeUndefined();
    await file.keep(local('whole'), undefined, always);
    expect((await readFile(local('whole'))).equals(content)).toBe(true);
  });

  it.each([
    ['of another length', { size: 9, totalSize: 9 }],
    ['of another object', { size: 4, etag: '"another"' }],
  ])('takes nothing of an answer %s', async (_, expects) => {
    answer = (socket) => socket.write(`${headOf(4)}four`);
    const file = landings.begin(local('part'), false);
    expect(await file.take(takeOf(expects), ignore, always)).toMatchObject({ isExpected: false, received: 0, size: 4 });
    await file.drop(always);
    expect((await readFile(local('part'))).length).toBe(0);
  });

  it('is expanded where it says that it is gzip, and not kept where that breaks off', async () => {
    const content = randomBytes(2 * BLOCK_BYTES);
    const zipped = gzipSync(content);
    const bring = async (bytes: Buffer, name: string) => {
      answer = (socket) =>
        socket.write(Buffer.concat([Buffer.from(headOf(bytes.length, 'Content-Encoding: gzip\r\n')), bytes]));
      const file = landings.begin(local(`part-${name}`), true);
      const taken = await file.take(takeOf({ size: bytes.length, totalSize: bytes.length }), ignore, always);
      expect(taken.expands).toBe(true);
      return file.keep(local(name), undefined, always).finally(() => file.drop(always));
    };
    expect(await bring(zipped, 'whole')).toMatchObject({ size: content.length });
    expect((await readFile(local('whole'))).equals(content)).toBe(true);
    await expect(bring(zipped.subarray(0, -9), 'short')).rejects.toThrow(FileFault);
    expect(await readdir(directory)).not.toContain('short');
  });

  it('that cannot be written asks nothing of the store', async () => {
    await writeFile(local('part'), 'of somebody else');
    answer = () => expect.unreachable();
    const file = landings.begin(local('part'), false);
    await expect(file.take(takeOf({ size: 1, totalSize: 1 }), ignore, always)).rejects.toMatchObject({
      name: 'FileFault',
      code: 'EEXIST',
    });
    await file.drop(always);
    expect(await readFile(local('part'), 'utf8')).toBe('of somebody else');
  });

  it('is given up with the reason of the signal, in the middle of a body', async () => {
    answer = (socket) => socket.write(`${headOf(100)}half`);
    const abort = new AbortController();
    const file = landings.begin(local('part'), false);
    const taking = file.take(takeOf({ size: 100, totalSize: 100 }), ignore, abort.signal);
    await once(server, 'connection');
    abort.abort(new Error('cancelled'));
    await expect(taking).rejects.toThrow('cancelled');
    await file.drop(always);
  });
});

describe('the thread for downloads', () => {
  it('ends what is under way when it is closed, and is started anew for the next file', async () => {
    answer = (socket) => socket.write(`${headOf(100)}half`);
    const file = landings.begin(local('part'), false);
    const taking = file.take(takeOf({ size: 100, totalSize: 100 }), ignore, always);
    taking.catch(ignore);
    await once(server, 'connection');
    landings.close();
    await expect(taking).rejects.toThrow('downloads were ended');
    await file.drop(always);
    answer = (socket) => socket.write(`${headOf(4)}four`);
    const next = landings.begin(local('next'), false);
    expect(await next.take(takeOf({ size: 4, totalSize: 4 }), ignore, always)).toMatchObject({ received: 4 });
    await next.keep(local('whole'), undefined, always);
    expect(await readFile(local('whole'), 'utf8')).toBe('four');
  });
});

describe('a file that comes encrypted', () => {
  it('is as it was sent', async () => {
    const before = getCACertificates('default');
    const content = randomBytes(3 * BLOCK_BYTES + 1);
    const secure = createSecureServer({ cert: CERTIFICATE, key: CERTIFICATE_KEY }, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(Buffer.concat([Buffer.from(headOf(content.length)), content])));
    });
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
    setDefaultCACertificates([...before, CERTIFICATE]);
    const lines = createLines({ open: createStorageAgents(() => undefined).open, ...TIMES });
    try {
      // In this thread, which knows the certificate.
      const file = new ArrivingFile(local('part'), false, (question) => question());
      const take = takeOf({ size: content.length, totalSize: content.length }, 0, secure, 'localhost');
      expect(await file.take(lines, take, always, ignore)).toMatchObject({ received: content.length });
      await file.keep(local('whole'), undefined);
      expect((await readFile(local('whole'))).equals(content)).toBe(true);
    } finally {
      setDefaultCACertificates(before);
      lines.close();
      await new Promise((resolve) => secure.close(resolve));
    }
  });
});
