import { GraphQLError } from 'graphql';
import { createYoga, type Plugin } from 'graphql-yoga';
import type { Viewer } from '../core/accounts/keys.ts';
import type { OpenCore } from '../core/open.ts';
import { createAttemptLoader, createContext, publicError, schema, type Context } from '../schema/index.ts';
import { noteVariables } from './about.ts';
import type { Door } from './auth.ts';
import { useGraphiQLPage } from './graphiql/page.ts';
import type { Logger } from './log.ts';
import { exceeded, type Limits } from './limits.ts';
import { operationLimits } from './operation-limits.ts';
import { leaseOfReport } from './report-lease.ts';
import { currentRequest, REQUEST_ID_HEADER } from './requests.ts';
import { sharedResults } from './shared-results.ts';
import { watchedStreams } from './streams.ts';

export const GRAPHQL_PATH = '/graphql';

/** What an operation brings along: who asks, found out at the door, by a request's header or when the socket was opened. */
export interface Admitted {
  asker?: Viewer;
}

export interface GraphQLParts {
  core: OpenCore;
  log: Logger;
  door: Door;
  limits: Limits;
  /** Whether the schema may be asked for. */
  introspection: boolean;
  /** Whether a browser gets the page to try operations on. */
  graphiql: boolean;
}

/** GraphQL over HTTP and server-sent events; the sockets use the same through `getEnveloped`. */
export function createGraphQL(parts: GraphQLParts) {
  const { core, log, door, limits, introspection } = parts;
  const newestAttempt = createAttemptLoader(core);
  return createYoga<Admitted, Context>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    landingPage: false,
    plugins: [
      ...(parts.graphiql ? [useGraphiQLPage()] : []),
      jsonOnly,
      admission(door),
      operationLimits(limits, { introspection }),
      watchedStreams(core.keyWatch, limits),
      sharedResults(),
    ],
    maxRequestBodySize: limits.KELPIE_MAX_BODY_BYTES,
    batching: false,
    context: ({ asker, request }) => {
      if (asker === undefined) throw new Error('An operation came through no door that knows who asks');
      const { watchers, groupWatchers, accountFeed, signals, logFollowers, reconnectGraceSeconds } = core;
      const watching = { watchers, groupWatchers, accountFeed, signals, logFollowers };
      // On a socket there is no request.
      const gone = (request as Request | undefined)?.signal;
      return createContext({ core, newestAttempt, ...watching, reconnectGraceSeconds }, asker, gone);
    },
    cors: { origin: '*', credentials: false, exposedHeaders: [REQUEST_ID_HEADER, 'Retry-After'] },
    graphiql: false,
    maskedErrors: {
      maskError: (error, message) => {
        const shown = bodyFault(error, limits) ?? publicError(error);
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

/** Anonymous callers get no further than this: not even to validation, which would tell them of the schema. */
function admission(door: Door): Plugin<Context, Admitted> {
  return {
    onParams: async ({ request, params, context }) => {
      noteVariables(params.variables);
      const read = (name: string) => request.headers.get(name);
      const report = { lease: leaseOfReport(params), gone: () => request.signal };
      context.asker = await door.viewerOf(read, currentRequest()?.address, report);
    },
  };
}

/**
 * A page of another site can send a form or a plain text to us without asking, but no JSON. It has no key to send along, as browsers
 * keep none; this shuts the door all the same.
 */
const jsonOnly: Plugin<Context, Admitted> = {
  onRequestParse({ request }) {
    const type = request.headers.get('content-type') ?? '';
    if (request.method !== 'POST' || JSON_TYPE.test(type)) return;
    const got = type === '' ? 'none' : type.slice(0, 100);
    throw new GraphQLError(`Expected a body of the Content-Type application/json, got ${got}`, {
      extensions: { code: 'UNSUPPORTED_MEDIA_TYPE', http: { status: 415, headers: { Accept: 'application/json' } } },
    });
  },
};

const JSON_TYPE = /^application\/json\s*(?:;|$)/i;

/** The reason that a request's signal gives when its connection is closed. */
function isAborted(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** The library's own fault does not say how much would have been taken. */
function bodyFault(error: unknown, limits: Limits): GraphQLError | undefined {
  if (!(error instanceof GraphQLError) || error.extensions.code !== 'REQUEST_ENTITY_TOO_LARGE') return undefined;
  const message = exceeded(limits, 'KELPIE_MAX_BODY_BYTES', 'more');
  return new GraphQLError(message, { extensions: { ...error.extensions, limit: 'KELPIE_MAX_BODY_BYTES' } });
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
