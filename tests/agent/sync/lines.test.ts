import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../../agent/sync/arrival.ts';
import { createLines, type LineAnswer, type Lines } from '../../../agent/sync/lines.ts';
import { createStorageAgents } from '../../../agent/sync/sockets.ts';
import { always } from './support/bench.ts';
import { CERTIFICATE, CERTIFICATE_KEY } from './support/certificate.ts';

let server: Server;
let lines: Lines;
/** What the store does with each request, by its path. */
let answer: (socket: Socket, path: string) => void;
let connections: number;

beforeEach(async () => {
  connections = 0;
  server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => answer(socket, bytes.toString('latin1').split(' ')[1] ?? ''));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  lines = linesThatWait(30_000);
});
afterEach(async () => {
  lines.close();
  await new Promise((resolve) => server.close(resolve));
});

function linesThatWait(stallMs: number): Lines {
  return createLines({ open: createStorageAgents(() => undefined).open, stallMs, connectMs: 10_000 });
}

const overs: number[] = [];
const get = (path: string, signal: AbortSignal = always): Promise<LineAnswer> => {
  const { port } = server.address() as AddressInfo;
  const peer = { isSecure: false, hostname: '127.0.0.1', port };
  overs.length = 0;
  return lines.get(peer, { path, headers: { host: 'x' } }, signal, (bytes) => overs.push(bytes));
};
const headOf = (size: number, more = '') => `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n${more}\r\n`;

/** All of a body, and what was said of it on the way. */
async function readAll({ body }: LineAnswer, pauseMs = 0): Promise<{ content: Buffer; moved: number; error: unknown }> {
  const pieces: Buffer[] = [];
  let moved = 0;
  let error: unknown;
  try {
    for await (const piece of body.pieces((bytes) => (moved += bytes))) {
      pieces.push(Buffer.from(piece));
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  } catch (caught) {
    error = caught;
  }
  return { content: Buffer.concat(pieces), moved, error };
}

describe('a line to the store', () => {
  it.each([0, 1, 16_384, BLOCK_BYTES, BLOCK_BYTES + 1, 5 * BLOCK_BYTES - 3])(
    'brings a body of %i bytes as it was sent, and the next one by the same connection',
    async (size) => {
      const content = randomBytes(size);
      answer = (socket) => socket.write(Buffer.concat([Buffer.from(headOf(size)), content]));
      for (let times = 0; times < 2; times++) {
        const got = await readAll(await get('/a'));
        expect(got.content.equals(content)).toBe(true);
        expect(got).toMatchObject({ moved: size, error: undefined });
        expect(overs).toEqual([size]);
      }
      expect(connections).toBe(1);
    },
  );

  it('waits for a reader that is slow, and loses nothing of what comes in small pieces', async () => {
    const content = randomBytes(6 * BLOCK_BYTES);
    answer = (socket) => {
      socket.write(headOf(content.length));
      for (let at = 0; at < content.length; at += 70_001) socket.write(content.subarray(at, at + 70_001));
    };
    const got = await readAll(await get('/slow'), 20);
    expect(got.content.equals(content)).toBe(true);
  });

  it('keeps bodies apart that come at the same time', async () => {
    const contents = Array.from({ length: 8 }, () => randomBytes(2 * BLOCK_BYTES + 17));
    answer = (socket, path) => {
      const content = contents[Number(path.slice(1))] ?? Buffer.alloc(0);
      socket.write(headOf(content.length));
      socket.write(content);
    };
    const got = await Promise.all(contents.map(async (_, index) => readAll(await get(`/${index}`))));
    expect(got.map(({ content }, index) => content.equals(contents[index] ?? Buffer.alloc(0)))).not.toContain(false);
  });

  it('hands out what has come of a body before it says that the rest will not', async () => {
    answer = (socket) => socket.end(`${headOf(100)}only this`);
    const { content, moved, error } = await readAll(await get('/cut'));
    expect(content.toString()).toBe('only this');
    expect(moved).toBe(9);
    expect(String(error)).toMatch(/closed the connection before its answer was whole/);
    expect(overs).toEqual([0]);
  });

  it('gives up where nothing comes, before an answer as in the middle of one', async () => {
    lines = linesThatWait(200);
    answer = (socket, path) => path === '/half' && socket.write(`${headOf(100)}half`);
    await expect(get('/silent')).rejects.toMatchObject({ name: 'TimeoutError' });
    expect((await readAll(await get('/half'))).error).toMatchObject({ name: 'TimeoutError' });
  });

  it('does not take for silence what came while this thread was held up', async () => {
    lines = linesThatWait(200);
    let peer: Socket | undefined;
    answer = (socket) => (peer = socket).write(`${headOf(8)}half`);
    const half = await get('/held-up');
    peer?.write('more');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    expect(await readAll(half)).toMatchObject({ content: Buffer.from('halfmore'), error: undefined });
  });

  it('ends with the reason of the signal, before an answer as in the middle of one', async () => {
    answer = (socket, path) => path === '/half' && socket.write(`${headOf(100)}half`);
    const abort = new AbortController();
    const early = get('/silent', abort.signal);
    abort.abort(new Error('cancelled'));
    await expect(early).rejects.toThrow('cancelled');
    const later = new AbortController();
    const half = await get('/half', later.signal);
    later.abort(new Error('cancelled'));
    expect(String((await readAll(half)).error)).toMatch('cancelled');
  });

  it.each([
    ['what is longer than it says', `${headOf(3)}four`],
    ['what nobody asked for', `${headOf(4)}four${headOf(4)}more`],
    ['no HTTP', 'hello\r\n\r\n'],
  ])('is not used again after %s', async (_, text) => {
    answer = (socket) => socket.write(text);
    await get('/odd').then(readAll, () => undefined);
    answer = (socket) => socket.write(`${headOf(2)}ok`);
    const { content } = await readAll(await get('/again'));
    expect(content.toString()).toBe('ok');
    expect(connections).toBe(2);
  });

  it('reads no more of a body than its head says, however it comes', async () => {
    const size = 1_200_000;
    const closed = Promise.withResolvers<undefined>();
    answer = (socket) => {
      socket.on('close', () => closed.resolve(undefined));
      socket.write(Buffer.concat([Buffer.from(headOf(size)), Buffer.alloc(size + 1, 'x')]));
    };
    const { content, error } = await readAll(await get('/long'));
    expect([content.length, error]).toEqual([size, undefined]);
    await closed.promise;
    answer = (socket) => socket.write(`${headOf(2)}ok`);
    expect((await readAll(await get('/again'))).content.toString()).toBe('ok');
    expect(connections).toBe(2);
  });

  it.each(['Connection: close\r\n', 'X: y\r\n'])('is left alone where the store closes it: %j', async (header) => {
    const closed = Promise.withResolvers<undefined>();
    answer = (socket) => {
      socket.on('close', () => closed.resolve(undefined));
      socket.write(`${headOf(2, header)}ok`);
      if (header.startsWith('X')) socket.end();
    };
    expect((await readAll(await get('/first'))).content.toString()).toBe('ok');
    await closed.promise;
    expect((await readAll(await get('/second'))).content.toString()).toBe('ok');
    expect(connections).toBe(2);
  });

  it('leaves a body that nobody wants, and its connection with it', async () => {
    const closed = Promise.withResolvers<undefined>();
    answer = (socket) => {
      socket.on('close', () => closed.resolve(undefined));
      socket.write(`${headOf(10)}half`);
    };
    (await get('/unwanted')).body.destroy();
    await closed.promise;
    expect(overs).toEqual([0]);
  });
});

describe('an encrypted line', () => {
  const content = randomBytes(3 * BLOCK_BYTES + 1);
  const before = getCACertificates('default');
  let secure: Server;
  beforeEach(async () => {
    secure = createSecureServer({ cert: CERTIFICATE, key: CERTIFICATE_KEY }, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        socket.write(headOf(content.length));
        socket.write(content);
      });
    });
    // Who refuses its certificate leaves it like that.
    secure.on('tlsClientError', () => undefined);
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
  });
  afterEach(async () => {
    setDefaultCACertificates(before);
    lines.close();
    await new Promise((resolve) => secure.close(resolve));
  });
  const getFrom = (hostname: string) => {
    const peer = { isSecure: true, hostname, port: (secure.address() as AddressInfo).port };
    return lines.get(peer, { path: '/', headers: { host: hostname } }, always, () => undefined);
  };

  it('brings a body as it was sent', async () => {
    setDefaultCACertificates([...before, CERTIFICATE]);
    for (let times = 0; times < 2; times++) {
      const got = await readAll(await getFrom('localhost'), 5);
      expect(got.content.equals(content)).toBe(true);
      expect(got.moved).toBe(content.length);
    }
  });

  it('can be left in the middle of a body', async () => {
    setDefaultCACertificates([...before, CERTIFICATE]);
    const { body } = await getFrom('localhost');
    for await (const piece of body.pieces(() => undefined)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect((await readAll(await getFrom('localhost'))).content.equals(content)).toBe(true);
  });

  it('is refused, by its reason, to who is not known or somebody else', async () => {
    await expect(getFrom('localhost')).rejects.toThrow(/self-signed certificate/);
    setDefaultCACertificates([...before, CERTIFICATE]);
    await expect(getFrom('127.0.0.1')).rejects.toThrow(/does not match certificate/);
  });
});
