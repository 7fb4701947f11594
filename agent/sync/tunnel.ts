import { request } from 'node:http';
import { request as requestSecurely } from 'node:https';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { getProxyForUrl } from 'proxy-from-env';

/** Where a connection is to lead. */
export interface Target {
  /** Without the brackets of a URL. */
  host: string;
  port: number;
}

/**
 * The proxy through which `https` to the target goes, by `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`; nothing where it goes directly. Throws
 * where what the environment names is no http or https URL, without showing it: a password may be in it.
 */
export function proxyTo({ host, port }: Target): URL | undefined {
  const named = getProxyForUrl(`https://${host.includes(':') ? `[${host}]` : host}:${port}`);
  if (named === '') return undefined;
  const proxy = URL.parse(named);
  if (proxy === null || !/^https?:$/.test(proxy.protocol)) {
    throw new Error('expected an http or https URL in HTTPS_PROXY or ALL_PROXY, got something else');
  }
  return proxy;
}

/** A proxy that does not answer is as good as one that cannot be reached. */
const ANSWER_WITHIN_MS = 10_000;

/**
 * A connection to the target through a proxy that is asked to connect it (RFC 9110, 9.3.6). What is written meanwhile is sent once it is
 * there. Errors as a socket does, and says what the proxy has answered where that was no.
 */
export class Tunnel extends Duplex {
  connecting = true;
  #socket: Socket | undefined;
  #pending: (() => void) | undefined;
  readonly #giveUp = new AbortController();

  constructor(proxy: URL, target: Target) {
    super();
    const path = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
    const asked = (proxy.protocol === 'https:' ? requestSecurely : request)({
      ...{ method: 'CONNECT', path, agent: false, signal: this.#giveUp.signal, timeout: ANSWER_WITHIN_MS },
      hostname: proxy.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: proxy.port,
      headers: { Host: path, ...authorization(proxy) },
    });
    asked.on('timeout', () => this.destroy(new Error(`the proxy ${proxy.host} does not answer`)));
    asked.on('error', (error) =>
      this.destroy(new Error(`the proxy ${proxy.host}: ${error.message}`, { cause: error })),
    );
    // An answer to CONNECT that is none: some proxies send their page as if it was asked for.
    asked.on('response', () => this.destroy(new Error(`the proxy ${proxy.host} does not connect to ${path}`)));
    asked.on('connect', ({ statusCode = 0 }, socket: Socket, head) => {
      socket.setTimeout(0);
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
    this.#socket?.resetAndDestroy();
    this.destroy();
  }

  #opened(socket: Socket, head: Buffer): void {
    if (this.destroyed) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    socket.setNoDelay();
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
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
    this.#whenOpen((socket) => socket.end(done));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
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

function authorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return { 'Proxy-Authorization': `Basic ${secret}` };
}
