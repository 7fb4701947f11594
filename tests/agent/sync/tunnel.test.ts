import { once } from 'node:events';
import { createServer as createSecureServer, request } from 'node:https';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { connect as connectSecurely, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createStorageAgents } from '../../../agent/sync/sockets.ts';
import { proxyTo, Tunnel } from '../../../agent/sync/tunnel.ts';
import { listenLocally } from '../../../lib/port.ts';
import { openProxy, type Proxy } from '../../support/proxy.ts';
import { CERTIFICATE, CERTIFICATE_KEY } from './support/certificate.ts';

const SECURE = { cert: CERTIFICATE, key: CERTIFICATE_KEY };

afterEach(() => vi.unstubAllEnvs());

describe('the proxy of a target', () => {
  const target = { host: 'store.example', port: 443 };

  test('is what the environment names, for all that it does not except', () => {
    expect(proxyTo(target)).toBeUndefined();
    vi.stubEnv('HTTPS_PROXY', 'http://proxy.example:3128');
    expect(proxyTo(target)?.host).toBe('proxy.example:3128');
    expect(proxyTo({ host: '::1', port: 8443 })?.host).toBe('proxy.example:3128');
    vi.stubEnv('NO_PROXY', '.example,[::1]');
    expect(proxyTo(target)).toBeUndefined();
    expect(proxyTo({ host: '::1', port: 8443 })).toBeUndefined();
  });
});

describe.each([
  ['a proxy', undefined],
  ['an encrypted proxy', SECURE],
] as const)('a tunnel through %s', (_name, secure) => {
  beforeAll(() => {
    const trusted = getCACertificates('default');
    setDefaultCACertificates([...trusted, CERTIFICATE]);
    return () => setDefaultCACertificates(trusted);
  });
  let proxy: Proxy;
  let echo: Server;
  let target: { host: string; port: number };
  beforeEach(async ({ onTestFinished }) => {
    proxy = await openProxy(secure);
    const sockets = new Set<Socket>();
    echo = createTcpServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket.on('error', () => undefined));
      socket.pipe(socket);
    });
    const port = await listenLocally(echo);
    target = { host: '127.0.0.1', port };
    onTestFinished(async () => {
      for (const socket of sockets) socket.destroy();
      echo.close();
      await proxy.close();
    });
  });

  test('carries what was written before it was there, and all that follows, to its end', async () => {
    const tunnel = new Tunnel(new URL(proxy.url), target);
    expect(tunnel.connecting).toBe(true);
    const sent = Array.from({ length: 200 }, (_, index) => Buffer.alloc(20_000, index));
    for (const piece of sent) tunnel.write(piece);
    tunnel.end();
    const received: Buffer[] = [];
    for await (const piece of tunnel) received.push(piece as Buffer);
    expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true);
    expect(proxy.connected).toEqual([`127.0.0.1:${target.port}`]);
  });

  test('says who it is where the proxy wants to know, and what was answered where that was no', async () => {
    proxy.credentials = 'me:a secret';
    const refused = new Tunnel(new URL(proxy.url), target);
    const [error] = (await once(refused, 'error')) as [Error];
    expect(error.message).toContain('it answered 407');
    const told = new URL(proxy.url);
    [told.username, told.password] = ['me', 'a secret'];
    const tunnel = new Tunnel(told, target);
    tunnel.write('hello');
    expect(String(await once(tunnel, 'data'))).toBe('hello');
    tunnel.destroy();
  });

  test('ends with a reason where nobody is there, and at once when it is given up', async () => {
    const url = new URL(proxy.url);
    const given = new Tunnel(url, target);
    given.destroy();
    await once(given, 'close');
    await proxy.close();
    const [error] = (await once(new Tunnel(url, target), 'error')) as [Error];
    expect(error.message).toContain(`the proxy ${url.host}: `);
  });

  test('is reset on both sides when it is given up like a socket', async () => {
    const tunnel = new Tunnel(new URL(proxy.url), target);
    await once(tunnel, 'connect');
    tunnel.resetAndDestroy();
    await vi.waitFor(() => expect(proxy.open()).toBe(0));
    expect(proxy.resets).toBe(1);
  });

  test('keeps what has come when the other side has ended and gone, until it is read', async ({ onTestFinished }) => {
    const all = Buffer.alloc(10_000, 'all');
    const speaker = createTcpServer((socket) => socket.end(all));
    const port = await listenLocally(speaker);
    onTestFinished(() => void speaker.close());
    const tunnel = new Tunnel(new URL(proxy.url), { host: '127.0.0.1', port });
    await once(tunnel, 'readable');
    await vi.waitFor(() => expect(proxy.open()).toBe(0));
    const received: Buffer[] = [];
    for await (const piece of tunnel) received.push(piece as Buffer);
    expect(Buffer.concat(received).equals(all)).toBe(true);
    await vi.waitFor(() => expect(tunnel.destroyed).toBe(true));
  });

  test('says so where the connection breaks off before its end', async () => {
    const tunnel = new Tunnel(new URL(proxy.url), target);
    await once(tunnel, 'connect');
    tunnel.write('something');
    await once(tunnel, 'data');
    const failed = once(tunnel, 'error');
    proxy.cut();
    await failed;
    expect(tunnel.destroyed).toBe(true);
  });

  test('breaks an upload off that is given up, and a connection that the store has ended', async ({
    onTestFinished,
  }) => {
    const came: string[] = [];
    const store = createSecureServer(SECURE, (incoming, response) => {
      incoming.on('close', () => came.push(incoming.complete ? 'whole' : 'broken off'));
      incoming.on('error', () => undefined);
      if (incoming.method === 'PUT') incoming.once('data', () => response.writeContinue());
      else response.end('an object', () => response.socket?.end());
    });
    const port = await listenLocally(store);
    onTestFinished(() => void store.close());
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    const { httpsAgent: agent } = createStorageAgents(() => undefined);
    onTestFinished(() => agent.destroy());
    const asked = request({ agent, host: 'localhost', port, path: '/' }, (response) => response.resume()).end();
    await once(asked, 'close');
    await vi.waitFor(() => expect(proxy.open()).toBe(0));
    const upload = request({ agent, host: 'localhost', port, path: '/', method: 'PUT' });
    upload.on('error', () => undefined).write('half of it');
    await once(upload, 'continue');
    upload.destroy();
    await vi.waitFor(() => expect(came).toEqual(['whole', 'broken off']));
    expect(proxy.connected).toHaveLength(2);
    await vi.waitFor(() => expect(proxy.open()).toBe(0));
    expect(proxy.resets).toBeGreaterThanOrEqual(1);
  });

  test('leads to a store', async ({ onTestFinished }) => {
    const store = createSecureServer({ cert: CERTIFICATE, key: CERTIFICATE_KEY }, (_request, response) => {
      response.end('an object');
    });
    const port = await listenLocally(store);
    onTestFinished(() => void store.close());
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    const beforeSending = vi.fn<() => void>();
    const socket = createStorageAgents(beforeSending).open(
      { isSecure: true, hostname: 'localhost', port },
      { buffer: Buffer.alloc(1), callback: () => true },
    );
    await once(socket, 'secureConnect');
    socket.destroy();
    const tunnel = new Tunnel(new URL(proxy.url), { host: 'localhost', port });
    const secure = connectSecurely({ socket: tunnel, ca: CERTIFICATE, servername: 'localhost' });
    secure.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const piece of secure) text += String(piece);
    expect(text).toContain('an object');
    expect(proxy.connected).toEqual([`localhost:${port}`, `localhost:${port}`]);
    expect(beforeSending).toHaveBeenCalled();
  });
});
