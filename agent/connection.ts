import { isIP } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { type Client, createClient } from 'graphql-ws';
import type { Logger } from 'pino';
import WebSocket from 'ws';
import { backoffMillis } from '../lib/backoff.ts';
import { messageOf } from '../lib/errors.ts';
import { pause } from '../lib/pause.ts';
import { repeatUntilAnswered } from '../lib/repeat.ts';
import type { Credentials } from './credentials.ts';
import type { PresenceRecord } from './presence.ts';
import { proxyTo, Tunnel } from './sync/tunnel.ts';
import type { GraceMillis } from './trust.ts';

export interface ConnectionParts {
  /** `ws://` or `wss://` */
  url: string;
  credentials: Credentials;
  /** How long a server lets a lost connection be; pings are sent so often that two fit into it. */
  graceMillis: GraceMillis;
  /** Is told when pings are answered, and when the connection ends. */
  presence: Pick<PresenceRecord, 'answered' | 'end'>;
  onConnected: () => void;
  /** The connection has ended, or could not be made. */
  onDisconnected: () => void;
  /** The longest time between two tries to connect, in milliseconds; asked before each. */
  longestPauseMs: () => number;
  log: Logger;
}

export interface Connection {
  /** The client of the moment: an operation begun on it survives a reconnection, unless the server forbade that. */
  client(): Client;
  close(): Promise<void>;
}

/** Server and agent ping each other this often, where the grace allows it. */
const PING_MS = 2000;
/** A server that is silent this long after a ping is taken for gone: with the ping, well within the reconnect grace of 5 s. */
const PONG_MS = 2000;
const HANDSHAKE_MS = 5000;
/** A connection that lasted this long starts the back-off afresh; one that is accepted and closed at once does not. */
const STABLE_MS = 5000;
const RECONNECT_MS = 100;
/** How long credentials for a connection may take, and how often they are tried for. */
const CREDENTIALS = { baseMs: 500, capMs: 10_000, tryMs: 10_000 };
/** How often it is looked after that the credentials of the next connection are at hand, and how often after they were not to be had. */
const AT_HAND_MS = { look: 500, afterFailure: 5000 };
/** How long the polite end of the connection may take. */
const CLOSE_MS = 500;
/** Every how many failures to connect in a row a warning is repeated. */
const WARN_EVERY = 20;

/** Makes the connection, and makes it anew whenever it is lost, for ever. */
export function keepConnected(parts: ConnectionParts): Connection {
  const { log } = parts;
  const closing = new AbortController();
  let [tries, failures] = [0, 0];
  let [connectedAt, lastError] = [Infinity, ''];
  const pass = createPass(parts, closing.signal);
  let client = connect();

  /** The client asks for the address before each try, which makes this the one place where tries are spaced. */
  async function addressInTime(): Promise<string> {
    const backoff = { baseMs: RECONNECT_MS, capMs: parts.longestPauseMs() };
    if (tries++ > 0) await pause(backoffMillis(failures++, backoff), closing.signal);
    await pass.renew();
    return parts.url;
  }

  function onClosed(event: unknown): void {
    parts.presence.end();
    if (closing.signal.aborted) return;
    if (performance.now() - connectedAt > STABLE_MS) failures = 0;
    connectedAt = Infinity;
    const detail = { reason: asError(event).message, ...(lastError === '' ? {} : { error: lastError }), failures };
    lastError = '';
    log[failures % WARN_EVERY === 0 ? 'warn' : 'debug'](detail, 'Not connected to the server; trying again');
    parts.onDisconnected();
  }

  function connect(): Client {
    const made = createClient({
      ...clientOptions(parts, pass),
      url: addressInTime,
      onNonLazyError: () => {
        if (!closing.signal.aborted) client = connect();
      },
    });
    made.on('connected', () => {
      connectedAt = performance.now();
      log.info('Connected to the server');
      parts.onConnected();
    });
    made.on('error', (error) => (lastError = asError(error).message));
    made.on('closed', onClosed);
    watchPings(made, parts.presence);
    return made;
  }

  return {
    client: () => client,
    async close() {
      closing.abort();
      // A connection that is just being tried refuses to be closed; the end of this process closes it too.
      const closed = Promise.resolve(client.dispose()).catch(() => undefined);
      await Promise.race([closed, pause(CLOSE_MS)]);
    },
  };
}

/** What is shown on the connection that is there, or about to be made. */
interface Pass {
  readonly shown: Record<string, string>;
  /** Never rejects: tries until there is something to show, or the connection is not wanted any more. */
  renew(): Promise<void>;
}

function createPass(parts: ConnectionParts, closing: AbortSignal): Pass {
  const { credentials, log } = parts;
  void keepAtHand(parts, closing);
  let shown: Record<string, string> = {};
  const onFailure = (error: unknown, failures: number) => {
    const detail = { reason: messageOf(error), failures };
    log[failures % WARN_EVERY === 1 ? 'warn' : 'debug'](detail, 'There is nothing yet to show to the server');
  };
  const ask = (signal: AbortSignal) => credentials.forConnection(signal);
  return {
    get shown() {
      return shown;
    },
    async renew() {
      shown = (await repeatUntilAnswered(ask, { ...CREDENTIALS, signal: closing, onFailure })) ?? {};
    },
  };
}

/**
 * A connection may end with the credentials that it was made with. New ones are there by then, so that the leases of this agent do
 * not depend on who gives them out at that very moment.
 */
async function keepAtHand({ credentials, log }: ConnectionParts, closing: AbortSignal): Promise<void> {
  while (!closing.aborted) {
    try {
      await credentials.forRequest(closing);
      await pause(AT_HAND_MS.look, closing);
    } catch (error) {
      log.debug({ reason: messageOf(error) }, 'The credentials of the next connection are not at hand');
      await pause(AT_HAND_MS.afterFailure, closing);
    }
  }
}

/** The client keeps one connection and tries for ever. Some closings, such as an internal error of the server, it still takes for final. */
function clientOptions({ graceMillis }: ConnectionParts, pass: Pass) {
  return {
    connectionParams: () => pass.shown,
    webSocketImpl: PatientWebSocket,
    lazy: false,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: async () => undefined,
    keepAlive: Math.min(PING_MS, graceMillis / 3),
    connectionAckWaitTimeout: HANDSHAKE_MS,
  };
}

/** After a ping only a pong counts as life: the client sends no further ping until it came. */
function watchPings(client: Client, presence: ConnectionParts['presence']): void {
  let timer: NodeJS.Timeout | undefined;
  let isWaiting = false;
  let sentAt = -Infinity;
  client.on('ping', (received) => {
    if (received) return;
    isWaiting = true;
    sentAt = performance.now();
    timer = setTimeout(judge, PONG_MS);
  });
  client.on('pong', (received) => {
    if (!received || !isWaiting) return;
    relax();
    presence.answered(sentAt);
  });
  client.on('closed', relax);

  /** The pong may have been here all the while, unread because this process was frozen or busy: one turn to read it. */
  function judge() {
    setImmediate(() => {
      if (isWaiting) client.terminate();
    });
  }

  function relax() {
    isWaiting = false;
    clearTimeout(timer);
  }
}

/** One handshake may not take for ever, and an error of a socket that is already given up concerns nobody. */
class PatientWebSocket extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols, { handshakeTimeout: HANDSHAKE_MS, perMessageDeflate: false, ...throughProxy(url) });
    this.on('error', () => undefined);
  }
}

/** What is not encrypted goes directly: proxies let no websocket through that they can look into. */
function throughProxy(url: string): Pick<WebSocket.ClientOptions, 'createConnection'> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'wss:') return {};
  const target = { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? 443 : Number(port) };
  const proxy = proxyTo(target);
  if (proxy === undefined) return {};
  const servername = isIP(target.host) === 0 ? target.host : '';
  return { createConnection: () => connectSecurely({ servername, socket: new Tunnel(proxy, target) }) };
}

/** The ways in which a websocket, its client and a GraphQL server say what went wrong, as one Error. */
export function asError(why: unknown): Error {
  if (why instanceof Error) return why;
  if (Array.isArray(why)) return new Error(why.map((one) => asError(one).message).join('; '));
  if (typeof why === 'object' && why !== null) {
    if ('message' in why && typeof why.message === 'string' && why.message !== '') return new Error(why.message);
    if ('code' in why) {
      return new Error(
        `connection closed with ${String(why.code)} ${'reason' in why ? String(why.reason) : ''}`.trimEnd(),
      );
    }
  }
  return new Error(String(why));
}
