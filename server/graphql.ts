import { GraphQLError } from 'graphql';
import { createYoga } from 'graphql-yoga';
import type { OpenCore } from '../core/open.ts';
import { createAttemptLoader, createContext, publicError, schema, type Context } from '../schema/index.ts';
import { admittedOperations, type Admitted } from './admitted-operations.ts';
import type { Door } from './auth.ts';
import type { Bodies } from './bodies.ts';
import { useGraphiQLPage } from './graphiql/page.ts';
import type { ExecutionPlaces } from './execution-places.ts';
import { fairOperations } from './fair-operations.ts';
import { createFairSteps } from './fair-steps.ts';
import type { Logger } from './log.ts';
import { keptDocuments } from './kept-documents.ts';
import type { Limits } from './limits.ts';
import { operationLimits } from './operation-limits.ts';
import { currentRequest, REQUEST_ID_HEADER } from './requests.ts';
import { sharedResults } from './shared-results.ts';
import { watchedStreams } from './streams.ts';

export const GRAPHQL_PATH = '/graphql';

export interface GraphQLParts {
  core: OpenCore;
  log: Logger;
  door: Door;
  limits: Limits;
  bodies: Bodies;
  /** Where operations are executed. */
  places: ExecutionPlaces;
  /** Whether the schema may be asked for. */
  introspection: boolean;
  /** Whether a browser gets the page to try operations on. */
  graphiql: boolean;
}

/** GraphQL over HTTP and server-sent events; the sockets use the same through `getEnveloped`. */
export function createGraphQL(parts: GraphQLParts) {
  const { core, log, door, limits, places, introspection } = parts;
  const newestAttempt = createAttemptLoader(core);
  const { watchers, groupWatchers, accountFeed, signals, logFollowers, reconnectGraceSeconds } = core;
  const shared = { core, watchers, groupWatchers, accountFeed, signals, logFollowers, reconnectGraceSeconds };
  return createYoga<Admitted, Context>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    landingPage: false,
    plugins: [
      ...(parts.graphiql ? [useGraphiQLPage()] : []),
      admittedOperations(door, limits, parts.bodies),
      keptDocuments(),
      operationLimits(limits, { introspection }),
      watchedStreams(core.keyWatch, limits),
      sharedResults(createFairSteps(limits, places)),
      fairOperations(limits, places),
    ],
    // Bounded by those that take their places in the list of plugins.
    maxRequestBodySize: false,
    parserAndValidationCache: false,
    batching: false,
    context: ({ asker, gone: socketGone, request }) => {
      if (asker === undefined) throw new Error('An operation came through no door that knows who asks');
      // On a socket there is no request.
      const signal = (request as Request | undefined)?.signal;
      const gone = signal === undefined ? (socketGone ?? noSignal) : () => signal;
      return createContext(shared, asker, { newestAttempt, gone });
    },
    cors: { origin: '*', credentials: false, exposedHeaders: [REQUEST_ID_HEADER, 'Retry-After'] },
    graphiql: false,
    maskedErrors: {
      maskError: (error, message) => {
        const shown = publicError(error);
        const err = error instanceof Error && 'originalError' in error ? error.originalError : error;
        if (shown?.extensions.code === 'UNAVAILABLE') log.error({ err }, 'An operation could not be answered just now');
        if (shown !== undefined) return withStatus(shown);
        // Who has hung up is told nothing, and nothing is amiss.
        if (!isAborted(err)) log.error({ err }, 'An operation failed');
        const at = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {};
        return new GraphQLError(message, { ...at, extensions: { code: 'INTERNAL_SERVER_ERROR' } });
      },
    },
    logging: false,
  });
}

function noSignal(): undefined {
  return undefined;
}

/** The reason that a request's signal gives when its connection is closed. */
function isAborted(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || isAborted(error.cause));
}

/** Those that say when to ask again, which programs read in the answer's head. */
const statusOf: Readonly<Record<string, number>> = Object.freeze({ RATE_LIMITED: 429, UNAVAILABLE: 503 });

/** Over HTTP, such an error is also the answer's status; on a socket there is none. */
function withStatus(error: GraphQLError): GraphQLError {
  const { code, retryAfterSeconds } = error.extensions;
  const status = statusOf[String(code)];
  if (status === undefined || currentRequest() === undefined) return error;
  error.extensions.http = { status, headers: { 'Retry-After': String(retryAfterSeconds) } };
  return error;
}
