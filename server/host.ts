import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { problemText } from './rest/problem.ts';

const EXPECTED = 'Expected a Host header with a name or an address, and perhaps a port: ask by the URL of this server';

/**
 * The name or address that a request is for, in lower case and without its port; an IPv6 address in brackets. Whoever answers makes a URL
 * of it: undefined where that cannot be one.
 */
export function hostOf({ headers: { host = '' } }: Pick<IncomingMessage, 'headers'>): string | undefined {
  const name = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.exec(host)?.[1];
  return URL.canParse(`http://${host}/`) ? name?.toLowerCase() : undefined;
}

/**
 * Whether nobody can have made a page of another site ask for this by a name of their own, which they let point here (DNS rebinding): it is
 * an address, a name of this machine's or its own network's, or among `others`.
 */
export function isNobodyElses(host: string, others: readonly string[]): boolean {
  const isAddress = isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0;
  return isAddress || isWithin(host) || host === 'localhost' || host.endsWith('.localhost') || others.includes(host);
}

/**
 * A name of one part, as services have in a compose file and within a namespace of Kubernetes. Nobody can register one for a page of theirs: what
 * can be had stands below a top-level domain. It is the network's own, whose operator says what is called so. With a dot at its end it would be none.
 */
function isWithin(host: string): boolean {
  return /^[a-z_][a-z0-9_-]*$/.test(host);
}

/** Answers a request for no host. */
export function refuseHost(response: ServerResponse): void {
  const text = problemText({ status: 400, code: 'bad-host', detail: EXPECTED });
  response.writeHead(400, { 'Content-Type': 'application/problem+json', 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

/** The same, where a request wants another protocol. */
export function refuseUpgradeForHost(socket: Duplex): void {
  const head = ['HTTP/1.1 400 Bad Request', 'Content-Type: text/plain; charset=utf-8', 'Connection: close'];
  socket.end(`${head.join('\r\n')}\r\n\r\n${EXPECTED}\n`);
}
