import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** A proxy that connects whoever asks, and only that: it does not pass plain requests on. */
export interface Proxy {
  url: string;
  /** Where to it has connected, `host:port`, in the order of asking. */
  connected: string[];
  /** `user:password` that it wants to hear; empty: none. */
  credentials: string;
  /** Connections that are open. */
  open(): number;
  close(): Promise<void>;
}

/** Listens on a free port of this machine. */
export async function openProxy(): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };
  const server = createServer((_request, response) => response.writeHead(405).end());
  const proxy: Proxy = { url: '', connected: [], credentials: '', open: () => sockets.size, close };
  server.on('connection', keep);
  server.on('connect', ({ url = '', headers }, near: Socket, head: Buffer) => {
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
      near.pipe(far);
      far.pipe(near);
    });
    far.on('close', () => near.destroy());
    near.on('close', () => far.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function close(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  }
  return proxy;
}
