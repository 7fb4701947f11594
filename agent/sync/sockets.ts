import { Agent as HttpAgent, type AgentOptions } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { connect, isIP, type OnReadOpts, type Socket, type TcpNetConnectOpts } from 'node:net';
import { type ConnectionOptions, connect as connectSecurely } from 'node:tls';
import { proxyTo, Tunnel } from './tunnel.ts';

export interface StorageAgents {
  httpAgent: HttpAgent;
  httpsAgent: HttpsAgent;
  open: OpenSocket;
}

/** Where a store listens. */
export interface Peer {
  isSecure: boolean;
  /** Without the brackets of a URL. */
  hostname: string;
  port: number | undefined;
}

/** A connection for who speaks for himself. `onread`: where the bytes go; what comes encrypted comes as events all the same. */
export type OpenSocket = (peer: Peer, onread: OnReadOpts) => Socket;

const OPTIONS: AgentOptions = { keepAlive: true, maxSockets: 256 };

/**
 * Connections to the store on which a request that is given up is given up for good. Node only closes the socket of such a
 * request, and the system goes on to deliver what it has buffered of it, up to several MiB: over a line that was cut, minutes
 * later. These are reset, which throws that away. `beforeSending` is called immediately before anything is sent; a socket
 * that it destroys sends nothing.
 */
export function createStorageAgents(beforeSending: () => void): StorageAgents {
  return {
    httpAgent: new PlainAgent(beforeSending),
    httpsAgent: new SecureAgent(beforeSending),
    open({ isSecure, hostname: host, port }, onread) {
      if (!isSecure) return openPlainly({ host, port: port ?? 80, onread, noDelay: true }, beforeSending);
      const servername = isIP(host) === 0 ? host : '';
      return openSecurely({ host, port: port ?? 443, servername, noDelay: true }, beforeSending);
    },
  };
}

class PlainAgent extends HttpAgent {
  readonly #beforeSending: () => void;

  constructor(beforeSending: () => void) {
    super(OPTIONS);
    this.#beforeSending = beforeSending;
  }

  override createConnection(options: TcpNetConnectOpts): Socket {
    return openPlainly(options, this.#beforeSending);
  }
}

class SecureAgent extends HttpsAgent {
  readonly #beforeSending: () => void;

  constructor(beforeSending: () => void) {
    super(OPTIONS);
    this.#beforeSending = beforeSending;
  }

  override createConnection(options: TcpNetConnectOpts & ConnectionOptions): Socket {
    return openSecurely(options, this.#beforeSending);
  }
}

function openPlainly(options: TcpNetConnectOpts, beforeSending: () => void): Socket {
  const socket = connect(options);
  guard(socket, socket, beforeSending);
  return socket;
}

function openSecurely(options: TcpNetConnectOpts & ConnectionOptions, beforeSending: () => void): Socket {
  // Only what is below the encryption can be reset.
  const carrier = carrierFor(options);
  const socket = connectSecurely({ ...options, socket: carrier });
  guard(socket, carrier, beforeSending);
  return socket;
}

type Carrier = Socket | Tunnel;

/**
 * It goes to the first address that the resolver gives: when Node tries several, it exchanges what the encryption has been put upon, which
 * then never begins.
 */
function carrierFor(options: TcpNetConnectOpts): Carrier {
  const target = { host: options.host ?? 'localhost', port: options.port };
  const proxy = proxyTo(target);
  return proxy === undefined ? connect({ ...options, autoSelectFamily: false }) : new Tunnel(proxy, target);
}

function guard(socket: Socket, carrier: Carrier, beforeSending: () => void): void {
  resetInsteadOfClosing(socket, carrier);
  // What is written while the connection is being made is sent once it is made.
  carrier.prependListener('connect', beforeSending);
  const write = socket._write.bind(socket);
  const writeMany = socket._writev?.bind(socket);

  function send(bytes: Buffer, done: Done): void {
    beforeSending();
    if (socket.destroyed) {
      done(givenUp());
      return;
    }
    const rest = bytes.subarray(PIECE_BYTES);
    // What a stream calls the encoding of bytes; the type knows only those of texts.
    write(bytes.subarray(0, PIECE_BYTES), 'buffer' as BufferEncoding, (error) => {
      if (rest.length === 0 || (error !== null && error !== undefined)) done(error);
      else send(rest, done);
    });
  }

  socket._write = (chunk: Buffer | string, encoding, done) => send(bytesOf({ chunk, encoding }), done);
  if (writeMany === undefined) return;
  socket._writev = (chunks: Chunk[], done) => {
    const total = chunks.reduce((sum, { chunk }) => sum + chunk.length, 0);
    if (total > PIECE_BYTES) {
      sendEach(chunks, send, done);
      return;
    }
    beforeSending();
    if (socket.destroyed) done(givenUp());
    else writeMany(chunks, done);
  };
}

type Done = (error?: Error | null) => void;

interface Chunk {
  chunk: Buffer | string;
  encoding: BufferEncoding;
}

/**
 * The system, and below Node its library, send what they were given whatever happens here: also when this process wakes from
 * a freeze, before it can think. So they are given little at a time.
 */
const PIECE_BYTES = 256 * 1024;

function resetInsteadOfClosing(socket: Socket, carrier: Carrier): void {
  const destroy = socket.destroy.bind(socket);
  let isSafe: boolean = socket === carrier;
  socket.prependOnceListener('secureConnect', () => (isSafe = true));
  socket.destroy = (error) => {
    // To reset is to destroy: without this, the one would call the other for ever.
    socket.destroy = destroy;
    // Nothing was sent yet, and a reset below a handshake that fails would end the process.
    if (!isSafe) return destroy(error);
    if (carrier.connecting) carrier.destroy();
    else if (!carrier.destroyed) carrier.resetAndDestroy();
    return destroy(error);
  };
}

function sendEach([first, ...others]: Chunk[], send: (bytes: Buffer, done: Done) => void, done: Done): void {
  if (first === undefined) {
    done();
    return;
  }
  send(bytesOf(first), (error) => {
    if (error !== null && error !== undefined) done(error);
    else sendEach(others, send, done);
  });
}

function bytesOf({ chunk, encoding }: Chunk): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
}

function givenUp(): Error {
  return new Error('the request was given up before it was sent');
}
