import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { GraphQLError } from 'graphql';
import { CloseCode, type SubscribePayload } from 'graphql-ws';
import type { WebSocket } from 'ws';
import { endMessages, type KeyWatch } from '../core/accounts/key-watch.ts';
import type { Viewer } from '../core/accounts/keys.ts';
import { ForbiddenError, InvalidInputError, RateLimitedError, UnauthenticatedError } from '../core/errors.ts';
import { expectedFailure } from '../core/expected.ts';
import { createPlaces } from '../lib/places.ts';
import type { TraceContext } from '../lib/traces/trace-context.ts';
import { publicError } from '../schema/index.ts';
import type { Admission, Door } from './auth.ts';
import { hasCredentials, readerOf } from './credentials.ts';
import { exceeded, type Limits } from './limits.ts';
import type { Logger } from './log.ts';
import { createSocketSigns, type SocketSigns } from './rate.ts';
import { kindOfText, leaseOfReport } from './report-lease.ts';
import { addressOf } from './requests.ts';

/** Of the protocol: nothing is wrong with the one who asks, it should come again. */
export const TRY_AGAIN_LATER = 1013;
/** A close's reason may have 123; a character that was cut in two may take two more than were left of it. */
const MAX_REASON_BYTES = 120;
/** How long a socket may be open before anybody on it has said who they are, in milliseconds. */
const ANONYMOUS_MS = 5_000;
/** The longest that a timer waits (milliseconds). */
const MAX_TIMER_MS = 2_147_483_647;

/** One socket, and who speaks on it. */
export interface Connection {
  readonly socket: WebSocket;
  /** What it runs on. The request that it began with is not kept: it would take as much again as the socket. */
  readonly connection: Socket;
  /** Where it comes from, for counting. */
  readonly address: string;
  /** Whose credentials opened it; without, each operation brings its own. */
  opener?: Pick<Admission, 'viewer' | 'credential'>;
  /** Of the first whose credentials were good on it. */
  accountId?: string;
  /** What agents have said of leases on it. */
  signs?: SocketSigns;
  /** Aborted when it is closed. Made when somebody waits for something: idle agents, of whom there are thousands, never do. */
  readonly gone: () => AbortSignal;
  /** Ends the wait of a socket that nobody's credentials opened. */
  known?: () => void;
  /** When the first of its tokens is over, in milliseconds since 1970, and what ends the wait for that. */
  over?: { at: number; stop: () => void };
  /** Ids of the keys that were used on it, which are watched. */
  watched?: readonly string[];
  /** One of them is no longer good: what still comes over it is not done. */
  isOver?: boolean;
  /** Whether an agent has followed its signals on it. */
  isAgents?: boolean;
  /** Where whoever opened it is in a trace, if they said so. */
  trace?: TraceContext | undefined;
  /** To be called when its operations are over, by their ids. */
  held?: Map<string, () => void>;
  /** Ids of the subscriptions on it; some may have ended. */
  streams?: readonly string[];
}

type Parameters = Readonly<Record<string, unknown>>;

export interface SocketDoor {
  /**
   * Lets a socket in by the credentials in its `connectionParams`, or closes it.
   *
   * One without any credentials is let in too, for a while: GraphiQL opens its socket before it knows what the operation's Headers
   * tab holds, and sends that with each operation. It is no more than a socket that has not said `connection_init`: it can do nothing,
   * and is closed when no operation with good credentials comes.
   * @returns whether it was let in
   */
  open(extra: Connection, parameters: Parameters | undefined): Promise<boolean>;
  /**
   * Who asks for one operation: who opened the socket, or else whoever's credentials are in the operation's `extensions.headers`. It is
   * counted like an HTTP request; those credentials are looked at like one's.
   * @returns an error that is the operation's answer when nobody does, or too often
   */
  askerOf(extra: Connection, operation: SubscribePayload): Promise<Viewer | GraphQLError>;
  /** A socket that has just been opened by this request, and nobody has spoken on. */
  connectionOf(socket: WebSocket, request: IncomingMessage): Connection;
}

export interface SocketDoorParts {
  door: Door;
  keyWatch: KeyWatch;
  limits: Limits;
  log: Logger;
  trustedProxies: number;
}

export function createSocketDoor(parts: SocketDoorParts): SocketDoor {
  const { door, log, trustedProxies } = parts;
  const watch = watching(parts);
  const welcome = (extra: Connection, admission: Admission): void => {
    watch(extra, admission);
    extra.accountId ??= admission.viewer.accountId;
    closeWhenOver(extra, admission.expiresAt);
  };
  return {
    connectionOf: (socket, request) => connectionOf(socket, request, addressOf(request, { trustedProxies })),
    async open(extra, parameters) {
      if (!hasCredentials(parameters)) {
        closeUnlessKnown(extra);
        return true;
      }
      try {
        const admission = await door.admit(readerOf(parameters), extra.address);
        welcome(extra, admission);
        extra.opener = admission;
        return true;
      } catch (error) {
        const { code, reason } = refusalOf(error, log);
        extra.socket.close(code, cut(reason));
        return false;
      }
    },
    async askerOf(extra, operation) {
      const headers = headersOf(operation);
      if (extra.isOver === true) return new GraphQLError(endMessages.REVOKED, { extensions: { code: 'FORBIDDEN' } });
      try {
        if (extra.opener !== undefined) {
          return await countedOpener(door, extra.opener, operation, (extra.signs ??= createSocketSigns()));
        }
        const admission = await door.admitCounted(readerOf(headers), extra.address);
        welcome(extra, admission);
        extra.known?.();
        return admission.viewer;
      } catch (error) {
        const shown = publicError(error);
        if (shown !== undefined) return shown;
        log.error({ err: error }, 'Who asks for an operation on a socket could not be found out');
        return new GraphQLError('Unexpected error.', { extensions: { code: 'INTERNAL_SERVER_ERROR' } });
      }
    },
  };
}

function connectionOf(socket: WebSocket, { socket: connection }: IncomingMessage, address: string): Connection {
  return { socket, connection, address, gone: goneOf(socket) };
}

function goneOf(socket: WebSocket): () => AbortSignal {
  let gone: AbortController | undefined;
  return () => {
    if (gone === undefined) {
      const made = (gone = new AbortController());
      if (socket.readyState === socket.CLOSED) made.abort();
      else socket.once('close', () => made.abort());
    }
    return gone.signal;
  };
}

/**
 * A socket ends with the first key that was used on it and is no longer good. It is counted by the first.
 * @throws RateLimitedError when the key has too many sockets
 */
function watching({ keyWatch, limits }: SocketDoorParts): (extra: Connection, admission: Admission) => void {
  const places = createPlaces(limits.KELPIE_MAX_SOCKETS_PER_KEY);
  return (extra, { viewer, credential }) => {
    const { socket } = extra;
    // Gone while it was looked at: its end was told already.
    if (extra.watched?.includes(viewer.keyId) === true || socket.readyState === socket.CLOSED) return;
    if (extra.watched === undefined) {
      const giveBack = places.take(credential);
      if (giveBack === undefined) throw new RateLimitedError(exceeded(limits, 'KELPIE_MAX_SOCKETS_PER_KEY', 'more'), 1);
      socket.on('close', giveBack);
    }
    extra.watched = [...(extra.watched ?? []), viewer.keyId];
    const unfollow = keyWatch.follow(viewer, (why) => {
      extra.isOver = true;
      socket.close(CloseCode.Forbidden, cut(endMessages[why]));
    });
    socket.on('close', unfollow);
  };
}

/** As much of a reason as a close may have. */
export function cut(reason: string): string {
  return Buffer.from(reason).subarray(0, MAX_REASON_BYTES).toString();
}

/** What an operation says in the place of headers, which a socket has none of. */
export function headersOf({ extensions }: Pick<SubscribePayload, 'extensions'>): Parameters | undefined {
  const headers: unknown = extensions?.headers;
  return typeof headers === 'object' && headers !== null ? (headers as Parameters) : undefined;
}

/** As with several credentials in one request: whichever won, somebody would act in an account that they did not mean. */
function demandNoOthers(headers: Parameters | undefined): void {
  if (!hasCredentials(headers)) return;
  throw new InvalidInputError([
    { path: ['extensions', 'headers'], message: 'Expected credentials once, got the socket’s and the operation’s own' },
  ]);
}

async function countedOpener(
  door: Door,
  opener: NonNullable<Connection['opener']>,
  { query, variables, extensions }: SubscribePayload,
  signs: SocketSigns,
): Promise<Viewer> {
  demandNoOthers(headersOf({ extensions }));
  await door.countOn(opener, { kind: kindOfText(query), lease: leaseOfReport({ query, variables }), signs });
  return opener.viewer;
}

function closeUnlessKnown(extra: Connection): void {
  extra.known = closeIn(
    extra.socket,
    ANONYMOUS_MS,
    'Expected an API key in X-Kelpie-Key, of the socket or an operation',
  );
}

/** A socket is worth as much as the credentials that came over it: of several, as long as those that are over first. */
function closeWhenOver(extra: Connection, expiresAt: Admission['expiresAt']): void {
  if (expiresAt === undefined || (extra.over !== undefined && extra.over.at <= expiresAt)) return;
  extra.over?.stop();
  const left = Math.max(0, expiresAt - Date.now());
  extra.over = { at: expiresAt, stop: closeIn(extra.socket, left, 'The token is over: connect again with a new one') };
}

function closeIn(socket: WebSocket, milliseconds: number, reason: string): () => void {
  const timer = setTimeout(() => socket.close(CloseCode.Forbidden, reason), Math.min(milliseconds, MAX_TIMER_MS));
  timer.unref();
  const clear = (): void => clearTimeout(timer);
  socket.once('close', clear);
  return () => {
    clear();
    socket.off('close', clear);
  };
}

/** Who is at fault comes no further; where nobody is, the same may be tried again. */
function refusalOf(error: unknown, log: Logger): { code: number; reason: string } {
  const failure = expectedFailure(error);
  if (failure === undefined) {
    log.error({ err: error }, 'A socket could not be opened');
    return { code: CloseCode.InternalServerError, reason: 'Something unexpected happened in the server: try again' };
  }
  const isRefused =
    failure instanceof ForbiddenError ||
    failure instanceof UnauthenticatedError ||
    failure instanceof InvalidInputError;
  return { code: isRefused ? CloseCode.Forbidden : TRY_AGAIN_LATER, reason: failure.message };
}
