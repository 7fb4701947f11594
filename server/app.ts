import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { OpenCore } from '../core/open.ts';
import { createBodies, FREE_BYTES_OF_MESSAGE } from './bodies.ts';
import { createDoor, type Door, type SaladChecks } from './auth.ts';
import { createGraphQL, GRAPHQL_PATH } from './graphql.ts';
import { createExecutionPlaces } from './execution-places.ts';
import { createGraphQLListener } from './graphql-listener.ts';
import { hostOf, refuseHost, refuseUpgradeForHost } from './host.ts';
import type { Logger } from './log.ts';
import { createHttpServer, type HttpBounds } from './http-server.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { createLoops } from './loops.ts';
import type { Metrics } from './metrics.ts';
import type { Rates } from './rate.ts';
import { answerRequest, currentRequest } from './requests.ts';
import { createRest } from './rest/index.ts';
import type { RestParts } from './rest/parts.ts';
import { createSockets, type Sockets } from './sockets.ts';
import type { Pings } from './ping-round.ts';
import { createUnread } from './unread.ts';

/** How long requests that have begun may take to end when the server stops (milliseconds). */
const DRAIN_MS = 3_000;

export interface App {
  /**
   * Listens and begins the periodic work.
   * @returns the URL it can be reached at
   */
  start(at: { host: string; port: number }): Promise<string>;
  /** Ends what runs, in order: no new connections, sockets told to go elsewhere, requests ended, loops stopped. */
  stop(): Promise<void>;
}

export interface AppParts {
  core: OpenCore;
  log: Logger;
  /** Whom to believe besides our own keys: by default nobody. */
  salad?: SaladChecks | undefined;
  /** How often may be asked: by default without bound. */
  rates?: Rates | undefined;
  /** What one client may ask for: by default as `limitVariables` has it. */
  limits?: Partial<Limits> | undefined;
  /** How long a client may take over a request: by default as `httpBounds` has it. */
  http?: Partial<HttpBounds> | undefined;
  /** How often sockets are asked whether they are there: by default as `pings` has it. */
  pings?: Partial<Pings> | undefined;
  /** Whether the schema may be asked for (true). */
  introspection?: boolean | undefined;
  /** Whether a browser gets a page to try operations on (true). */
  graphiql?: boolean | undefined;
  /** The folder with the dashboard's built files: by default where they are built to. */
  dashboard?: string | undefined;
  /** How many proxies of the operator's stand before this server (0): see `addressOf`. */
  trustedProxies?: number | undefined;
  /** Counts what this server does; by default nothing does. */
  metrics?: Metrics | undefined;
}

/** The whole server around an open core: GraphQL on `/graphql`, REST everywhere else. The core stays the caller's to close. */
export function createApp(parts: AppParts): App {
  const { core, log, trustedProxies = 0, introspection = true, graphiql = true, pings, metrics } = parts;
  const limits = { ...defaultLimits, ...parts.limits };
  const stopping = new AbortController();
  const door = createDoor(parts);
  const [bodies, places] = [createBodies(limits), createExecutionPlaces()];
  const yoga = createGraphQL({ core, log, door, limits, bodies, places, introspection, graphiql });
  const graphql = createGraphQLListener(yoga, log);
  const unread = createUnread(limits.KELPIE_MAX_UNREAD_BYTES);
  const sockets = createSockets({
    ...{ yoga, log, door, trustedProxies, limits, bodies: createBodies(limits, FREE_BYTES_OF_MESSAGE), pings, unread },
    keyWatch: core.keyWatch,
  });
  const rest = restOf(parts, { door, bodies, places, stopping: stopping.signal });
  const listener = listenerOf(rest);
  metrics?.watchSockets(() => sockets.count());
  const loops = watchedLoops(parts);

  const server = createHttpServer(
    { ...parts.http, connections: limits.KELPIE_MAX_CONNECTIONS, unread },
    (request, response) => {
      const answer = isGraphQL(request) ? graphql : listener;
      metrics?.watchAnswer(answer === graphql ? 'graphql' : 'rest', response);
      answerRequest(request, response, { trustedProxies }, () =>
        hostOf(request) === undefined ? refuseHost(response) : answer(request, response),
      );
    },
  );
  server.on('upgrade', (request, socket, head) => upgrade(sockets, request, socket, head));

  return {
    async start({ host, port }) {
      await listen(server, host, port);
      loops.start();
      return urlOf(server.address() as AddressInfo);
    },
    async stop() {
      stopping.abort();
      // Agents go to another server, and lose nothing over it.
      core.signals.closing();
      const force = setTimeout(() => {
        sockets.terminate();
        server.closeAllConnections();
      }, DRAIN_MS);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await sockets.close();
      server.closeIdleConnections();
      await closed;
      clearTimeout(force);
      await loops.stop();
    },
  };
}

function restOf(
  { core, log, dashboard }: AppParts,
  { door, ...of }: { door: Door } & Pick<RestParts, 'bodies' | 'places' | 'stopping'>,
): ReturnType<typeof createRest> {
  return createRest({
    ...{ core, log, dashboard, ...of },
    ...askersAt(door),
    ready: async () => {
      if (of.stopping.aborted) throw new Error('The server is stopping');
      await core.ping();
    },
  });
}

function watchedLoops({ core, log, metrics }: AppParts) {
  return createLoops(core, (error) => {
    metrics?.periodicFailed();
    log.warn({ err: error }, 'Periodic work failed; it is tried again');
  });
}

/** Who asks, by what a request says of itself and where it comes from. */
function askersAt(door: Door): Pick<RestParts, 'viewerOf' | 'callerOf'> {
  const presentedBy = ({ headers }: Request): Parameters<Door['admit']> => [
    (name) => headers.get(name),
    currentRequest()?.address,
  ];
  return {
    viewerOf: (request) => door.viewerOf(...presentedBy(request)),
    callerOf: async (request) => {
      const caller = await door.callerOf(...presentedBy(request));
      return { ...caller, count: (lease) => caller.count({ lease, gone: () => request.signal }) };
    },
  };
}

function urlOf({ family, address, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** An answer that breaks off closes its connection: that is how its reader can tell. */
function listenerOf(rest: ReturnType<typeof createRest>) {
  return getRequestListener((request, { outgoing }) => rest.fetch(request, { hangUp: () => void outgoing.destroy() }), {
    overrideGlobalObjects: false,
  });
}

function upgrade(sockets: Sockets, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  // Node has let go of the socket: without a listener, a peer that hangs up would end this process.
  socket.on('error', hangUp);
  if (hostOf(request) === undefined) refuseUpgradeForHost(socket);
  else if (isGraphQL(request)) sockets.upgrade(request, socket, head);
  else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
}

function hangUp(this: Duplex): void {
  this.destroy();
}

function isGraphQL(request: IncomingMessage): boolean {
  const path = request.url?.split('?', 1)[0];
  return path === GRAPHQL_PATH;
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
