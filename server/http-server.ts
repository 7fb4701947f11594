import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Answered, Unread } from './unread.ts';

/** How long a client may take (milliseconds), so that nobody holds a connection by being slow. */
export interface HttpBounds {
  /** For the headers of a request. */
  headersMs: number;
  /** For a whole request, its body included. */
  requestMs: number;
  /** Between two requests on one connection. Longer than proxies wait, which else ask just when we hang up. */
  keepAliveMs: number;
  /** To take something of its answer. */
  patienceMs: number;
}

const httpBounds: HttpBounds = Object.freeze({
  ...{ headersMs: 10_000, requestMs: 60_000, keepAliveMs: 65_000, patienceMs: 30_000 },
});

/** A key and a handful of headers: no more is read. */
const MAX_HEADER_BYTES = 16_384;
const MAX_HEADERS = 100;
/** How often requests that take too long are looked for. */
const LOOK_EVERY_MS = 1_000;
/** A silent connection is probed by the kernel after so long, then ten times, once a second (milliseconds). */
const PROBE_AFTER_MS = 15_000;

/** A server that is bounded in what it takes from one client, and from all. */
export function createHttpServer(
  { connections, unread, ...given }: Partial<HttpBounds> & { connections: number; unread: Unread },
  listener: RequestListener,
): Server {
  const { headersMs, requestMs, keepAliveMs, patienceMs } = { ...httpBounds, ...given };
  const server = createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: Math.min(LOOK_EVERY_MS, headersMs),
      maxHeaderSize: MAX_HEADER_BYTES,
      // The other side of a connection on which nothing is said for long may be gone without a word.
      keepAlive: true,
      keepAliveInitialDelay: PROBE_AFTER_MS,
    },
    (request, response) => {
      response.once('close', unread.watch(unreadOf(response)));
      hangUpOnWhoDoesNotRead(response, patienceMs);
      listener(request, response);
    },
  );
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = connections;
  return server;
}

function unreadOf(response: ServerResponse): Answered {
  return { unreadBytes: () => response.writableLength, end: () => response.destroy() };
}

/** Counts from whatever last moved on the connection, also a part of what is written at once. */
function hangUpOnWhoDoesNotRead(response: ServerResponse, patienceMs: number): void {
  response.setTimeout(patienceMs, () => {
    if (response.writableLength > 0) response.destroy();
  });
}
