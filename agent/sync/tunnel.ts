import { request } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectSecurely } from 'node:tls';
import { getProxyForUrl } from 'proxy-from-env';

/** Where a connection is to lead. */
export interface Target {
  /** Without the brackets of a URL. */
  host: string;
  port: number;
}

/** The proxy through which `https` to the target goes, by the environment as `useProxies` has left it; nothing where it goes directly. */
export function proxyTo({ host, port }: Target): URL | undefined {
  const named = getProxyForUrl(`https://${host.includes(':') ? `[${host}]` : host}:${port}`);
  return named === '' ? undefined : new URL(named);
}

/** A proxy that does not answer is as good as one that cannot be reached. */
const ANSWER_WITHIN_MS = 10_000;

/**
 * A connection to the target through a proxy that is asked to connect it (RFC 9110, 9.3.6). What is written meanwhile is sent once it is
 * there. Errors as a socket does, and says what the proxy has answered where that was no. Once the target has ended it, nothing more can be
 * written, as with Node's own sockets.
 */
export class Tunnel extends Duplex {
  connecting = true;
  /** What carries it: below the encryption, where the proxy wants that. Only this can be reset. */
  readonly #line: Socket;
  #socket: Socket | undefined;
  #pending: (() => void) | undefined;
  readonly #giveUp = new AbortController();
  readonly #late: NodeJS.Timeout;

  constructor(proxy: URL, target: Target) {
    super({ allowHalfOpen: false });
    const path = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
    const { line, socket: near } = connectTo(proxy);
    this.#line = line;
    const asked = request({
      ...{ method: 'CONNECT', path, signal: this.#giveUp.signal, createConnection: () => near },
      headers: { Host: path, ...authorization(proxy) },
    });
    const giveUp = () => this.destroy(new Error(`the proxy ${proxy.host} does not answer`));
    this.#late = setTimeout(giveUp, ANSWER_WITHIN_MS);
    asked.on('error', (error) =>
      this.destroy(new Error(`the proxy ${proxy.host}: ${error.message}`, { cause: error })),
    );
    // An answer to CONNECT that is none: some proxies send their page as if it was asked for.
    asked.on('response', () => this.destroy(new Error(`the proxy ${proxy.host} does not connect to ${path}`)));
    asked.on('connect', ({ statusCode = 0 }, socket: Socket, head) => {
      if (statusCode >= 200 && statusCode < 300) this.#opened(socket, head);
      else {
        socket.destroy();
        this.destroy(new Error(`the proxy ${proxy.host} does not connect to ${path}: it answered ${statusCode}`));
      }
    });
    asked.end();
  }

  /** As of a socket: what was written and is not sent yet is thrown away. */
  resetAndDestroy(): void {
    // Before it carries anything there is nothing to throw away, and a reset below a handshake would be an error of its own.
    if (this.#socket !== undefined) this.#line.resetAndDestroy();
    this.destroy();
  }

  #opened(socket: Socket, head: Buffer): void {
    if (this.destroyed) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    clearTimeout(this.#late);
    this.#line.setNoDelay();
    let hasEnded = false;
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => {
      hasEnded = true;
      this.push(null);
    });
    socket.on('error', (error) => this.destroy(error));
    // What came before its end may still be unread here; after the end, and both ways, this closes by itself.
    socket.on('close', () => {
      if (!hasEnded) this.destroy(new Error('the connection through the proxy was closed before its end'));
    });
    if (head.length > 0) this.push(head);
    this.connecting = false;
    this.emit('connect');
    this.#pending?.();
    this.#pending = undefined;
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#whenOpen((socket) => socket.write(chunk, done));
  }

  override _final(done: () => void): void {
    // A socket that the other side has ended ends by itself.
    this.#whenOpen((socket) => (socket.writableEnded ? done() : socket.end(() => done())));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#late);
    this.#giveUp.abort();
    this.#socket?.destroy();
    done(error);
  }

  /** A stream hands over one thing at a time, so at most one waits. */
  #whenOpen(act: (socket: Socket) => void): void {
    const socket = this.#socket;
    if (socket !== undefined) act(socket);
    else this.#pending = () => this.#whenOpen(act);
  }
}

function connectTo(proxy: URL): { line: Socket; socket: Socket } {
  const host = proxy.hostname.replace(/^\[(.*)\]$/, '$1');
  if (proxy.protocol === 'http:') {
    const line = connect({ host, port: Number(proxy.port || 80) });
    return { line, socket: line };
  }
  // When Node tries several addresses, it exchanges what the encryption has been put upon, which then never begins.
  const line = connect({ host, port: Number(proxy.port || 443), autoSelectFamily: false });
  const servername = isIP(host) === 0 ? host : '';
  return { line, socket: connectSecurely({ socket: line, servername, ALPNProtocols: ['http/1.1'] }) };
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return { 'Proxy-Authorization': `Basic ${secret}` };
}
