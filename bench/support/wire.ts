import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { TypedDocumentString } from '../../agent/generated/graphql.ts';

/** What of a connection is counted. */
export interface WireTally {
  /** Operations that the server could not do just then, and that were asked for again. */
  failed: number;
  /** Sockets that the server, or the network, has ended. */
  cut: number;
}

const PING_MS = 2_000;
const AGAIN_MS = 1_000;
/** The same for all: what thousands of agents say every two seconds should cost the processes that play them little. */
const PING = JSON.stringify({ type: 'ping' });
const PONG = Buffer.from(JSON.stringify({ type: 'pong' }));

/** One socket of graphql-transport-ws. */
export interface Wire {
  ask<Data, Variables>(document: TypedDocumentString<Data, Variables>, variables: Variables): Promise<Data>;
  follow<Data, Variables>(
    document: TypedDocumentString<Data, Variables>,
    variables: Variables,
    onNext: (data: Data) => void,
  ): void;
}

/** Opens a socket, and pings on it as our agents do. */
export async function openWire(url: string, key: string, book: { tally: WireTally }): Promise<Wire> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
  });
  const listeners = new Map<string, (message: Message) => void>();
  const letIn = Promise.withResolvers<undefined>();
  const say = (message: object): void => socket.send(JSON.stringify(message));
  // As the agents' client does: the next ping when the last one was answered.
  const pingSoon = (): void => void setTimeout(() => socket.send(PING), PING_MS);
  let ids = 0;
  const begin = (document: { toString(): string }, variables: unknown, heed: (message: Message) => void): void => {
    const id = String(++ids);
    listeners.set(id, heed);
    say({ id, type: 'subscribe', payload: { query: document.toString(), variables } });
  };
  socket.on('message', (data: Buffer) => {
    if (PONG.equals(data)) {
      pingSoon();
      return;
    }
    const message = JSON.parse(data.toString()) as Message;
    if (message.type === 'connection_ack') letIn.resolve(undefined);
    else if (message.id !== undefined) listeners.get(message.id)?.(message);
    if (message.type === 'complete' && message.id !== undefined) listeners.delete(message.id);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => (book.tally.cut += 1));
  await once(socket, 'open');
  say({ type: 'connection_init', payload: { 'X-Kelpie-Key': key } });
  await letIn.promise;
  pingSoon();
  return {
    async ask(document, variables) {
      for (;;) {
        const { payload } = await new Promise<Message>((resolve) => begin(document, variables, resolve));
        // What comes is what the document asked for: the server holds to its schema.
        if (payload?.data !== undefined && payload.data !== null) return payload.data as never;
        book.tally.failed += 1;
        await delay(AGAIN_MS);
      }
    },
    follow(document, variables, onNext) {
      const followAnew = (): void =>
        begin(document, variables, ({ type, payload }) => {
          if (type === 'next' && payload?.data !== undefined && payload.data !== null) {
            onNext(payload.data as never);
          } else {
            book.tally.failed += 1;
            setTimeout(followAnew, AGAIN_MS);
          }
        });
      followAnew();
    },
  };
}

interface Message {
  id?: string;
  type: string;
  payload?: { data?: unknown; errors?: unknown };
}
