import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { GraphQLError, type DocumentNode, type ExecutionArgs } from 'graphql';
import { handleProtocols, makeServer, type ServerOptions } from 'graphql-ws';
import { WebSocketServer } from 'ws';
import type { Door } from './auth.ts';
import type { Admitted, createGraphQL } from './graphql.ts';
import type { Logger } from './log.ts';
import { createSocketDoor, type Connection, type SocketDoor } from './socket-door.ts';
import { speak } from './socket-speech.ts';

const PING_EVERY_MS = 2_000;
/** Above what a batch of 1,000 ordinary jobs takes. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** Of the protocol: the server goes, another one, or it again, will be there. */
const SERVICE_RESTART = 1012;

export interface Sockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Tells every socket to go and connect again, elsewhere. */
  close(): Promise<void>;
  /** Ends those that did not answer to that. */
  terminate(): void;
}

export interface SocketParts {
  yoga: ReturnType<typeof createGraphQL>;
  door: Door;
  log: Logger;
  trustedProxies: number;
}

/**
 * The websocket side of `/graphql`, by the protocol graphql-transport-ws. The credentials come in `connectionParams`, under the
 * names of the headers, or else with each operation.
 */
export function createSockets(parts: SocketParts): Sockets {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, handleProtocols });
  const protocol = makeServer(protocolOptions(parts.yoga, createSocketDoor(parts)));
  return {
    upgrade(request, socket, head) {
      server.handleUpgrade(request, socket, head, (client) => {
        speak(protocol, client, request, { pingEveryMs: PING_EVERY_MS, log: parts.log });
      });
    },
    async close() {
      for (const client of server.clients) client.close(SERVICE_RESTART, 'The server restarts: connect again');
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
    terminate: () => server.clients.forEach((client) => client.terminate()),
  };
}

function protocolOptions(
  yoga: SocketParts['yoga'],
  door: SocketDoor,
): ServerOptions<Record<string, unknown>, Connection> {
  return {
    onConnect: ({ connectionParams, extra }) => door.open(extra, connectionParams),
    onSubscribe: async ({ extra }, _id, params) => {
      const asker = await door.askerOf(extra, params);
      if (asker instanceof GraphQLError) return [asker];
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        asker,
      } satisfies Admitted) as Enveloped;
      const document = parsed(() => parse(params.query));
      // A fault of one operation is told to that operation; thrown, it would end the socket and everything else on it.
      if (document instanceof GraphQLError) return [document];
      const args = {
        schema,
        operationName: params.operationName,
        document,
        variableValues: params.variables,
        contextValue: await contextFactory(),
        execute,
        subscribe,
      };
      const errors = validate(args.schema, args.document);
      return errors.length > 0 ? errors : args;
    },
    // The enveloped functions mask and observe as over HTTP; graphql-ws hands back the arguments of `onSubscribe`.
    execute: (args) => (args as unknown as Enveloped).execute(args),
    subscribe: (args) => (args as unknown as Enveloped).subscribe(args),
  };
}

/** A fault of one operation is told to that operation: thrown, it would end the socket and all the others on it. */
function parsed(parse: () => DocumentNode): DocumentNode | GraphQLError {
  try {
    return parse();
  } catch (error) {
    if (error instanceof GraphQLError) return error;
    return new GraphQLError('The operation is nested too deeply to be read');
  }
}

type Run = (args: ExecutionArgs) => ReturnType<NonNullable<ServerOptions['execute']>>;

/** What `getEnveloped` gives: Yoga types it loosely. */
interface Enveloped {
  schema: ExecutionArgs['schema'];
  execute: Run;
  subscribe: Run;
  contextFactory: () => Promise<unknown>;
  parse: (source: string) => DocumentNode;
  validate: (schema: ExecutionArgs['schema'], document: ExecutionArgs['document']) => readonly GraphQLError[];
}
