import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { listenLocally } from '../../lib/port.ts';

/** A proxy that connects whoever asks, and only that: it does not pass plain requests on. */
export interface Proxy {
  url: string;
  /** Where to it has connected, `host:port`, in the order of asking. */
  connected: string[];
  /** `user:password` that it wants to hear; empty: none. */
  credentials: string;
  /** Connections that are open. */
  open(): number;
  /** How many of those who asked have reset their connection. */
  resets: number;
  /** Resets every connection. */
  cut(): void;
  close(): Promise<void>;
}

/** Listens on a free port of this machine; encrypted, as `localhost`, where it gets a certificate. */
export async function openProxy(secure?: { cert: string; key: string }): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const cut = () => {
    // One that is encrypted cannot be reset, but what is below it.
    for (const socket of sockets) if (!(socket instanceof TLSSocket)) socket.resetAndDestroy();
  };
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };
  const server = secure === undefined ? createServer() : createSecureServer({ ...secure, allowHalfOpen: true });
  const proxy: Proxy = { url: '', connected: [], credentials: '', open: () => sockets.size, resets: 0, cut, close };
  server.on('request', (_request, response) => response.writeHead(405).end());
  server.on('connection', keep);
  server.on('connect', ({ url = '', headers }, near: Socket, head: Buffer) => {
    // Not the one that has come, where that is encrypted.
    if (!sockets.has(near)) keep(near);
    near.on('error', (error: NodeJS.ErrnoException) => (proxy.resets += error.code === 'ECONNRESET' ? 1 : 0));
    const expected = `Basic ${Buffer.from(proxy.credentials).toString('base64')}`;
    if (proxy.credentials !== '' && headers['proxy-authorization'] !== expected) {
      near.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    proxy.connected.push(url);
    const colon = url.lastIndexOf(':');
    const far = connect(Number(url.slice(colon + 1)), url.slice(0, colon));
    keep(far);
    far.on('connect', () => {
      near.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      far.write(head);
      couple(near, far);
    });
    far.on('error', () => near.destroy());
    near.on('error', () => far.destroy());
  });
  const port = await listenLocally(server);
  proxy.url = secure === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;

  async function close(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  }
  return proxy;
}

/** What each sends goes to the other, to its end. One that breaks off takes the other with it. */
export function couple(near: Socket, far: Socket): void {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    // One that has ended has said all; the other may be slower to take it.
    from.on('close', () => {
      if (!from.readableEnded) to.destroy();
    });
    from.on('error', () => to.destroy());
    from.pipe(to);
  }
}
