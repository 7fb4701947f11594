import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { GraphQLError, type DocumentNode, type ExecutionArgs } from 'graphql';
import { CloseCode, type ServerOptions } from 'graphql-ws';
import { useServer, type Extra } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Viewer } from '../core/accounts/keys.ts';
import { ForbiddenError, InvalidInputError, UnauthenticatedError } from '../core/errors.ts';
import { expectedFailure } from '../core/expected.ts';
import type { Admission, Door } from './auth.ts';
import { readerOf } from './credentials.ts';
import type { Admitted, createGraphQL } from './graphql.ts';
import type { Logger } from './log.ts';
import { addressOf } from './requests.ts';

const PING_EVERY_MS = 2_000;
/** Above what a batch of 1,000 ordinary jobs takes. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** Of the protocol: the server goes, another one, or it again, will be there. */
const SERVICE_RESTART = 1012;
/** Of the protocol: nothing is wrong with the one who asks, it should come again. */
const TRY_AGAIN_LATER = 1013;
const INTERNAL_ERROR = 1011;
/** A close's reason may have 123; a character that was cut in two may take two more than were left of it. */
const MAX_REASON_BYTES = 120;
/** The longest that a timer waits (milliseconds). */
const MAX_TIMER_MS = 2_147_483_647;

type Connection = Extra & { viewer?: Viewer };

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
 * names of the headers.
 */
export function createSockets(parts: SocketParts): Sockets {
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

function socketOptions(parts: SocketParts): ServerOptions<Record<string, unknown>, Connection> {
  const { door, trustedProxies, log } = parts;
  return {
    onConnect: async ({ connectionParams, extra }) => {
      try {
        const address = addressOf(extra.request, { trustedProxies });
        const { viewer, expiresAt } = await door.admit(readerOf(connectionParams), address);
        extra.viewer = viewer;
        if (expiresAt !== undefined) closeWhenOver(extra.socket, expiresAt);
        return true;
      } catch (error) {
        const { code, reason } = refusalOf(error, log);
        extra.socket.close(code, Buffer.from(reason).subarray(0, MAX_REASON_BYTES).toString());
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

/** A socket is worth as much as the credentials that opened it. */
function closeWhenOver(socket: Extra['socket'], expiresAt: NonNullable<Admission['expiresAt']>): void {
  const left = Math.min(Math.max(0, expiresAt - Date.now()), MAX_TIMER_MS);
  const timer = setTimeout(
    () => socket.close(CloseCode.Forbidden, 'The token is over: connect again with a new one'),
    left,
  );
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}

/** Who is at fault comes no further; where we are, or nobody is, the same may be tried again. */
function refusalOf(error: unknown, log: Logger): { code: number; reason: string } {
  const failure = expectedFailure(error);
  if (failure === undefined) {
    log.error({ err: error }, 'A socket could not be opened');
    return { code: INTERNAL_ERROR, reason: 'Something unexpected happened in the server: try again' };
  }
  const isRefused =
    failure instanceof ForbiddenError ||
    failure instanceof UnauthenticatedError ||
    failure instanceof InvalidInputError;
  return { code: isRefused ? CloseCode.Forbidden : TRY_AGAIN_LATER, reason: failure.message };
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
