import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { BlockList, isIPv6, type AddressInfo } from 'node:net';
import { hostOf, isNobodyElses, refuseHost } from './host.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

/** Who scrapes is one of a few: more connections than this are nobody's who means well. */
const MAX_CONNECTIONS = 50;
const REQUEST_MS = 10_000;
const FOREIGN_NAME =
  'Expected a Host that is an address, a name without a dot or KELPIE_METRICS_HOST, got another name: ask by the address, or set KELPIE_METRICS_TOKEN.\n';

export interface MetricsServer {
  url: string;
  stop(): Promise<void>;
}

/**
 * Serves `/metrics` on a port of its own: they name the container groups of all accounts, which no key of an account may see. Who may
 * reach that port is the operator's to say, by the address that it listens on, or by a token.
 * @param at.token wanted as `Authorization: Bearer`; without it, nothing is, but a request must be for an address, for a name without a dot,
 *   for `at.host` or for nobody: so that no page of another site comes here by a name of its own
 * @throws when the port can't be had
 */
export async function serveMetrics(
  metrics: Metrics,
  log: Logger,
  at: { host: string; port: number; token: string | undefined },
): Promise<MetricsServer> {
  const server = createServer({ headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS }, (request, response) => {
    answer(metrics, at, request, response).catch((error: unknown) => {
      log.error({ err: error }, 'The metrics could not be read');
      say(response, 500, 'The metrics could not be read. The log of the server says why.\n');
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, resolve);
  });
  server
    .removeAllListeners('error')
    .on('error', (error) => log.error({ err: error }, 'The port of the metrics failed'));
  // A server that listens has an address with a port.
  const { address, port, family } = server.address() as AddressInfo;
  if (at.token === undefined && !loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) log.warn(FOREIGN_NAMES);
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/metrics`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
const FOREIGN_NAMES =
  'The metrics are told to whoever reaches their port, and refused to who asks by a name with a dot that is not KELPIE_METRICS_HOST: scrape by an address or a name without a dot, or set KELPIE_METRICS_TOKEN';

async function answer(
  metrics: Metrics,
  { host, token }: { host: string; token: string | undefined },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A probe of HTTP/1.0 may name no host at all, which no browser does.
  if (request.headers.host !== undefined) {
    const asked = hostOf(request);
    if (asked === undefined) {
      refuseHost(response);
      return;
    }
    // A page of another site knows no token; without one, it must not get here either.
    if (token === undefined && !isNobodyElses(asked, [host.toLowerCase()])) {
      say(response, 403, FOREIGN_NAME);
      return;
    }
  }
  if (request.url?.split('?', 1)[0] !== '/metrics') {
    say(response, 404, 'There is /metrics, and nothing else.\n');
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    say(response, 405, 'Expected GET.\n');
    return;
  }
  if (token !== undefined && !isSame(`Bearer ${token}`, request.headers.authorization ?? '')) {
    response.setHeader('WWW-Authenticate', 'Bearer');
    say(response, 401, 'Expected the token of KELPIE_METRICS_TOKEN as Authorization: Bearer.\n');
    return;
  }
  const { type, text } = await metrics.read();
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' });
  response.end(text);
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(text);
}

/** In a time that tells nothing of where they differ. */
function isSame(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) => createHash('sha256').update(text).digest());
  return first !== undefined && second !== undefined && timingSafeEqual(first, second);
}
