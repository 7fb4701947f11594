import { GraphQLError } from 'graphql';
import { createYoga, type Plugin } from 'graphql-yoga';
import type { Viewer } from '../core/accounts/keys.ts';
import type { OpenCore } from '../core/open.ts';
import { createContext, publicError, schema, type Context } from '../schema/index.ts';
import { KEY_HEADER, viewerOf } from './auth.ts';
import { EXAMPLES } from './graphiql-examples.ts';
import type { Logger } from './log.ts';

export const GRAPHQL_PATH = '/graphql';

/** What an operation brings along: who asks, found out at the door, by a request's header or when the socket was opened. */
export interface Admitted {
  asker?: Viewer;
}

/** GraphQL over HTTP and server-sent events; the sockets use the same through `getEnveloped`. */
export function createGraphQL(parts: { core: OpenCore; log: Logger }) {
  const { core, log } = parts;
  return createYoga<Admitted, Context>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    landingPage: false,
    plugins: [admission(core)],
    context: ({ asker }) => {
      if (asker === undefined) throw new Error('An operation came through no door that knows who asks');
      const { watchers, signals, reconnectGraceSeconds } = core;
      return createContext({ core, watchers, signals, reconnectGraceSeconds }, asker);
    },
    graphiql: {
      title: 'Kelpie',
      defaultQuery: EXAMPLES,
      headers: JSON.stringify({ [KEY_HEADER]: 'your key' }, undefined, 2),
      // Subscriptions over server-sent events carry the key as a header, like everything else on this page.
      subscriptionsProtocol: 'SSE',
    },
    // Nine megabytes that only a browser needs: loaded when the first one asks.
    renderGraphiQL: async (options) => {
      const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
      return renderGraphiQL(options);
    },
    maskedErrors: {
      maskError: (error, message) => {
        const shown = publicError(error);
        if (shown !== undefined) return shown;
        log.error(
          { err: error instanceof Error && 'originalError' in error ? error.originalError : error },
          'An operation failed',
        );
        const at = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {};
        return new GraphQLError(message, { ...at, extensions: { code: 'INTERNAL_SERVER_ERROR' } });
      },
    },
    logging: false,
  });
}

/** Anonymous callers get no further than this: not even to validation, which would tell them of the schema. */
function admission(core: OpenCore): Plugin<Context, Admitted> {
  return {
    onParams: async ({ request, context }) => {
      context.asker = await viewerOf(core, request.headers.get(KEY_HEADER));
    },
  };
}
