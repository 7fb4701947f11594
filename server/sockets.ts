import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { GraphQLError, type DocumentNode, type ExecutionArgs } from 'graphql';
import { CloseCode, type ServerOptions } from 'graphql-ws';
import { useServer, type Extra } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Viewer } from '../core/accounts/keys.ts';
import type { OpenCore } from '../core/open.ts';
import { KEY_HEADER, viewerOf } from './auth.ts';
import type { Admitted, createGraphQL } from './graphql.ts';
import type { Logger } from './log.ts';

const PING_EVERY_MS = 2_000;
/** Above what a batch of 1,000 ordinary jobs takes. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** Of the protocol: the server goes, another one, or it again, will be there. */
const SERVICE_RESTART = 1012;

type Connection = Extra & { viewer?: Viewer };

export interface Sockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Tells every socket to go and connect again, elsewhere. */
  close(): Promise<void>;
  /** Ends those that did not answer to that. */
  terminate(): void;
}

/** The websocket side of `/graphql`, by the protocol graphql-transport-ws. The key comes in `connectionParams`. */
export function createSockets(parts: { core: OpenCore; yoga: ReturnType<typeof createGraphQL>; log: Logger }): Sockets {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES });
  const handler = useServer(socketOptions(parts), server, PING_EVERY_MS);
  return {
    upgrade(request, socket, head) {
      server.handleUpgrade(request, socket, head, (client) => {
        server.emit('connection', client, request);
        // The library prints to the console whenever an agent vanishes in the middle of a message.
        client.removeAllListeners('error').on('error', (error) => {
          parts.log.debug({ err: error }, 'A socket broke');
          client.terminate();
        });
      });
    },
    async close() {
      for (const client of server.clients) client.close(SERVICE_RESTART, 'The server restarts: connect again');
      await handler.dispose();
    },
    terminate: () => server.clients.forEach((client) => client.terminate()),
  };
}

function socketOptions(parts: {
  core: OpenCore;
  yoga: ReturnType<typeof createGraphQL>;
}): ServerOptions<Record<string, unknown>, Connection> {
  return {
    onConnect: async (context) => {
      const key = context.connectionParams?.[KEY_HEADER];
      try {
        context.extra.viewer = await viewerOf(parts.core, typeof key === 'string' ? key : undefined);
        return true;
      } catch (error) {
        context.extra.socket.close(
          CloseCode.Forbidden,
          error instanceof Error ? error.message.slice(0, 120) : 'Forbidden',
        );
        return false;
      }
    },
    onSubscribe: async (context, _id, params) => {
      const { viewer } = context.extra;
      const { schema, execute, subscribe, contextFactory, parse, validate } = parts.yoga.getEnveloped({
        ...(viewer && ({ asker: viewer } satisfies Admitted)),
      }) as Enveloped;
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
