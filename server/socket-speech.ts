import type { Socket } from 'node:net';
import { CloseCode, MessageType, parseMessage, stringifyMessage, type Message, type Server } from 'graphql-ws';
import type { RawData, WebSocket } from 'ws';
import { boundedJson, CrowdedJsonError } from '../lib/bounded-json.ts';
import type { Logger } from './log.ts';
import type { PingRound } from './ping-round.ts';
import type { Connection } from './socket-door.ts';
import type { Unread } from './unread.ts';

/** Above so many unread bytes of answers nothing more is taken from a socket: it would cost the server more of them. */
const MAX_UNREAD_BYTES = 1024 * 1024;

const OF_CLIENTS: ReadonlySet<MessageType> = new Set([
  MessageType.ConnectionInit,
  MessageType.Ping,
  MessageType.Pong,
  MessageType.Subscribe,
  MessageType.Complete,
]);

const PING = Buffer.from(stringifyMessage({ type: MessageType.Ping }));
const PONG = stringifyMessage({ type: MessageType.Pong });
/** The same as a server's frame: whole (0x80), text (0x01), and short enough for its length to be one byte. */
const PONG_FRAME = Buffer.concat([Buffer.from([0x81, PONG.length]), Buffer.from(PONG)]);

export interface SpeechOptions {
  pingRound: PingRound;
  /** Counts what is told faster than it is read: each of many subscriptions may hold a large message. */
  unread: Unread;
  log: Logger;
}

/**
 * Lets graphql-ws speak with one socket. Its own `useServer` does nearly the same, but prints to the console, tells the world of
 * internal errors, answers whoever does not read without bound, and ends an operation that takes the id of one just completed.
 */
export function speak<Speaker extends Pick<Connection, 'socket' | 'connection' | 'isAgents'>>(
  server: Server<Speaker>,
  extra: Speaker,
  { log, pingRound, unread }: SpeechOptions,
): void {
  const { socket, connection } = extra;
  socket.on('error', (error) => {
    log.debug({ err: error }, 'A socket broke');
    // Not after a frame that was too large or malformed: a close that says so is on its way.
    if (socket.readyState === socket.OPEN) socket.terminate();
  });
  const internal = (error: unknown): void => {
    log.error({ err: error }, 'A message on a socket could not be handled');
    socket.close(CloseCode.InternalServerError, 'Something unexpected happened in the server');
  };
  const closed = server.opened(
    {
      protocol: socket.protocol,
      send: (data) => send(socket, data),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (handle) => {
        // Parsed here, once: handed a message, the library only checks it.
        const inOrder = inOrderOfIds((message) => handle(message as unknown as string).catch(internal));
        socket.on('message', (data, isBinary) => {
          if (!isBinary && isPlainPing(data)) {
            pong(socket, connection);
            return;
          }
          const message = isBinary ? NO_MESSAGE : readMessage(data);
          if (typeof message === 'string') socket.close(CloseCode.BadRequest, message);
          else if (message.type === MessageType.Error) void send(socket, stringifyMessage(message));
          else inOrder(message);
        });
      },
    },
    extra,
  );
  const stopPinging = pingRound.watch(socket, connection, () => extra.isAgents === true);
  const stopCounting = unread.watch({
    unreadBytes: () => socket.bufferedAmount,
    end: () => socket.terminate(),
  });
  // It closes once: `once` would make three things more for each.
  socket.on('close', (code, reason) => {
    stopPinging();
    stopCounting();
    closed(code, String(reason)).catch((error: unknown) => log.error({ err: error }, 'A socket did not end well'));
  });
}

/**
 * Of all that a server says to a fleet that rests this is the most. Where nothing waits to leave it is written at once, as it is: the library
 * would make two writes of it, and a promise. (It compresses nothing here, so no frame of its own is on its way behind that.)
 */
function pong(socket: WebSocket, connection: Socket): void {
  if (socket.readyState === socket.OPEN && connection.writableLength === 0) connection.write(PONG_FRAME);
  else void send(socket, PONG);
}

/** Resolves when the message has left, so that a subscription goes no faster than its reader; never rejects. */
function send(socket: WebSocket, data: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) {
      resolve();
      return;
    }
    socket.send(data, () => {
      if (socket.isPaused && socket.bufferedAmount <= MAX_UNREAD_BYTES) socket.resume();
      resolve();
    });
    if (socket.bufferedAmount > MAX_UNREAD_BYTES) socket.pause();
  });
}

/**
 * A ping as our agents and graphql-ws's own client write it. A fleet that rests says nothing else, thousands of times a second, so it is
 * known by its bytes and answered here, as the library would.
 */
function isPlainPing(data: RawData): boolean {
  return Buffer.isBuffer(data) && PING.equals(data);
}

const NO_MESSAGE = 'Expected a client’s message of graphql-transport-ws, as text';

/** What a client says, or the answer to an operation that is not read, or else what is wrong with it. */
function readMessage(data: RawData): Message | string {
  const text = (data as Buffer).toString();
  try {
    // Handed a value, the library only checks it.
    const message = parseMessage(boundedJson(text));
    return OF_CLIENTS.has(message.type) ? message : NO_MESSAGE;
  } catch (error) {
    if (!(error instanceof CrowdedJsonError)) return NO_MESSAGE;
    const id = OF_OPERATION.exec(text.slice(0, 1_000))?.[1];
    if (id === undefined) return error.message;
    const payload = [{ message: error.message, extensions: { code: 'BAD_REQUEST' } }];
    return { id, type: MessageType.Error, payload };
  }
}

/** How a client begins to ask for an operation; the others on its socket go on without that. */
const OF_OPERATION = /^\{"id":"([\w-]{1,100})","type":"subscribe",/;

/**
 * An id may be used again as soon as its operation is completed. The library forgets an operation by its id when it has wound up,
 * which takes it a moment: a new one of that id waits for it.
 */
function inOrderOfIds(handle: (message: Message) => Promise<void>): (message: Message) => void {
  const running = new Map<string, Running>();

  const run = async (id: string, message: Message): Promise<void> => {
    const own: Running = { isLeaving: false, next: undefined };
    running.set(id, own);
    await handle(message);
    running.delete(id);
    if (own.next !== undefined) await run(id, own.next);
  };

  return (message) => {
    if (message.type === MessageType.Subscribe) {
      const { id } = message;
      const before = running.get(id);
      if (before === undefined) void run(id, message);
      else if (before.isLeaving && before.next === undefined) before.next = message;
      else void handle(message);
      return;
    }
    const completed = message.type === MessageType.Complete ? running.get(message.id) : undefined;
    if (completed?.next !== undefined) {
      completed.next = undefined;
      return;
    }
    if (completed !== undefined) completed.isLeaving = true;
    void handle(message);
  };
}

/** An operation that has not wound up. */
interface Running {
  /** Whether the client has completed it. */
  isLeaving: boolean;
  /** What waits for its id. */
  next: Message | undefined;
}
