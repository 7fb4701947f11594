import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  getOperationAST,
  GraphQLError,
  Kind,
  type DocumentNode,
  type ExecutionArgs,
  type OperationDefinitionNode,
} from 'graphql';
import { handleProtocols, makeServer, type ServerOptions, type SubscribePayload } from 'graphql-ws';
import { WebSocket, WebSocketServer } from 'ws';
import type { KeyWatch } from '../core/accounts/key-watch.ts';
import type { Viewer } from '../core/accounts/keys.ts';
import type { TraceContext } from '../lib/traces/trace-context.ts';
import { aboutOperation, type TraceOf } from './about.ts';
import type { Door } from './auth.ts';
import type { Admitted } from './admitted-operations.ts';
import type { Bodies } from './bodies.ts';
import type { createGraphQL } from './graphql.ts';
import { createHeldOperations, type HeldOperations } from './held-operations.ts';
import { exceeded, limitError, type Limits } from './limits.ts';
import type { Logger } from './log.ts';
import { paramsFault } from './operation-limits.ts';
import { createPingRound, pings, type Pings } from './ping-round.ts';
import { traceIn, traceOf } from './traces.ts';
import { createSocketDoor, cut, type Connection, type SocketDoor } from './socket-door.ts';
import { speak } from './socket-speech.ts';
import { boundUnfinished } from './unfinished.ts';
import type { Unread } from './unread.ts';

/** How long a socket that is closed may take to answer that (milliseconds). */
const CLOSE_WITHIN_MS = 2_000;

/** The subscription by which agents are told what they should do. */
const SIGNALS = 'agentSignals';

/** Of the protocol: the server goes, another one, or it again, will be there. */
const SERVICE_RESTART = 1012;
const MESSAGE_TOO_BIG = 1009;

export interface Sockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Tells every socket to go and connect again, elsewhere. */
  close(): Promise<void>;
  /** Ends those that did not answer to that. */
  terminate(): void;
  /** How many are open. */
  count(): number;
}

export interface SocketParts {
  yoga: ReturnType<typeof createGraphQL>;
  door: Door;
  keyWatch: KeyWatch;
  limits: Limits;
  /** Bounds the messages whose end has not come, and those alone: whoever sends large bodies over HTTP ends no agent's socket. */
  bodies: Bodies;
  log: Logger;
  trustedProxies: number;
  unread: Unread;
  /** By default as `pings` has it. */
  pings?: Partial<Pings> | undefined;
}

/**
 * The websocket side of `/graphql`, by the protocol graphql-transport-ws. The credentials come in `connectionParams`, under the
 * names of the headers, or else with each operation.
 */
export function createSockets(parts: SocketParts): Sockets {
  // A constant of its own: `closeTimeout` is missing in the library's types.
  const bounds = { maxPayload: parts.limits.KELPIE_MAX_MESSAGE_BYTES, closeTimeout: CLOSE_WITHIN_MS };
  const server = new WebSocketServer({
    noServer: true,
    handleProtocols,
    WebSocket: explaining(parts.limits),
    ...bounds,
  });
  const door = createSocketDoor(parts);
  const pingRound = createPingRound({ ...pings, ...parts.pings });
  const held = createHeldOperations(parts.limits);
  const protocol = makeServer(protocolOptions({ ...parts, held }, door));
  return {
    upgrade(request, socket, head) {
      server.handleUpgrade(request, socket, head, (client) => {
        const { unread, log, bodies } = parts;
        const extra = door.connectionOf(client, request);
        speak(protocol, extra, { pingRound, unread, log });
        client.on('close', () => extra.held?.forEach((end) => end()));
        boundUnfinished(extra, bodies);
      });
    },
    async close() {
      for (const client of server.clients) client.close(SERVICE_RESTART, 'The server restarts: connect again');
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
    terminate: () => server.clients.forEach((client) => client.terminate()),
    count: () => server.clients.size,
  };
}

type ProtocolParts = SocketParts & { held: HeldOperations };

function protocolOptions(parts: ProtocolParts, door: SocketDoor): ServerOptions<Record<string, unknown>, Connection> {
  return {
    onConnect: ({ connectionParams, extra }) => {
      extra.trace = traceIn(connectionParams);
      return door.open(extra, connectionParams);
    },
    onSubscribe: async ({ extra, subscriptions }, id, params) => {
      const fault = faultAtOnce(parts.limits, Object.keys(subscriptions).length, params);
      if (fault !== undefined) return [fault];
      const asker = await door.askerOf(extra, params);
      if (asker instanceof GraphQLError) return [asker];
      return argumentsOf(parts, { asker, id, extra, subscriptions }, params);
    },
    onComplete: ({ extra }, id) => {
      extra.held?.get(id)?.();
      extra.held?.delete(id);
    },
    // The enveloped functions mask and observe as over HTTP; graphql-ws hands back the arguments of `onSubscribe`.
    execute: (args) => aboutArguments(args, (enveloped) => enveloped.execute(args)),
    subscribe: (args) => aboutArguments(args, (enveloped) => enveloped.subscribe(args)),
  };
}

function aboutArguments<Result>(args: ExecutionArgs, run: (enveloped: Enveloped) => Result): Result {
  const enveloped = args as unknown as Enveloped;
  return aboutOperation(args.variableValues, enveloped.trace, () => run(enveloped));
}

/** The library closes a socket over a message that is too large without a word. */
function explaining(limits: Limits): typeof WebSocket {
  const why = cut(exceeded(limits, 'KELPIE_MAX_MESSAGE_BYTES', 'more'));
  return class extends WebSocket {
    override close(code?: number, reason?: string | Buffer): void {
      super.close(code, code === MESSAGE_TOO_BIG ? why : reason);
    }
  };
}

/** What can be told before an operation is read. */
function faultAtOnce(limits: Limits, running: number, params: SubscribePayload): GraphQLError | undefined {
  if (running > limits.KELPIE_MAX_OPERATIONS_PER_SOCKET) {
    return limitError(limits, 'KELPIE_MAX_OPERATIONS_PER_SOCKET', running);
  }
  return paramsFault(limits, params);
}

/** @param of.subscriptions by their ids, the operations that run on the socket */
async function argumentsOf(
  { yoga, limits, held }: ProtocolParts,
  { asker, id, extra, subscriptions }: { asker: Viewer; id: string; extra: Connection; subscriptions: object },
  params: SubscribePayload,
) {
  const admitted = { asker, gone: extra.gone } satisfies Admitted;
  const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped(admitted) as Enveloped;
  const contextValue = await contextFactory();
  const document = parsed(() => parse(params.query));
  if (document instanceof GraphQLError) return [document];
  const errors = validate(schema, document);
  if (errors.length > 0) return errors;
  const operation = getOperationAST(document, params.operationName);
  if (operation?.operation === 'subscription') {
    const running = (extra.streams ?? []).filter((stream) => stream in subscriptions);
    const number = running.length + 1;
    if (number > limits.KELPIE_MAX_SUBSCRIPTIONS_PER_SOCKET) {
      return [limitError(limits, 'KELPIE_MAX_SUBSCRIPTIONS_PER_SOCKET', number)];
    }
    extra.streams = [...running, id];
    if (followsSignals(operation)) extra.isAgents = true;
  }
  // Last, as what is refused before is not told to be over.
  const end = held.hold(asker.accountId, { id, params, document });
  if (end instanceof GraphQLError) return [end];
  extra.held = (extra.held ?? new Map<string, () => void>()).set(id, end);
  const { operationName, variables: variableValues } = params;
  const trace = traceLater(params, extra.trace);
  return { schema, operationName, document, variableValues, contextValue, execute, subscribe, trace };
}

/** A function of its own: it lives as long as the operation, and keeps nothing else of it. */
function traceLater({ extensions }: SubscribePayload, ofSocket: TraceContext | undefined): TraceOf {
  return () => traceOf({ extensions }, ofSocket);
}

function followsSignals({ selectionSet }: OperationDefinitionNode): boolean {
  return selectionSet.selections.some((field) => field.kind === Kind.FIELD && field.name.value === SIGNALS);
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
  /** Added here to the arguments: where its sender is in a trace. */
  trace: TraceOf;
  execute: Run;
  subscribe: Run;
  contextFactory: () => Promise<unknown>;
  parse: (source: string) => DocumentNode;
  validate: (schema: ExecutionArgs['schema'], document: ExecutionArgs['document']) => readonly GraphQLError[];
}
