import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP, isIPv6 } from 'node:net';
import { parseTraceParent, type TraceContext } from '../lib/traces/trace-context.ts';

/** What is known of a request before anybody has looked into it. */
export interface RequestScope {
  /** Names it in answers and in the log. */
  id: string;
  /** Where it comes from, for counting. */
  address: string;
  /** Where its sender is in a trace, if it says so. */
  trace?: TraceContext | undefined;
}

export const REQUEST_ID_HEADER = 'X-Request-Id';

/**
 * What a browser is to hold to, whatever the answer is: it is nothing but what its type says, is shown within no other page, is told of in no
 * Referer, and loads nothing. A page that needs more says its own policy in the place of this one: of two, a browser would hold it to both.
 */
const OF_EVERY_ANSWER = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
} as const;

const scopes = new AsyncLocalStorage<RequestScope>();

/** The request on whose behalf this runs; undefined for periodic work, and for operations on a socket. */
export function currentRequest(): RequestScope | undefined {
  return scopes.getStore();
}

/** Answers a request: whatever runs for it knows its scope, and its answer, good or bad, bears its id. */
export function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  options: { trustedProxies: number },
  answer: () => unknown,
): void {
  const id = requestId(request.headers['x-request-id']);
  response.setHeader(REQUEST_ID_HEADER, id);
  for (const [name, value] of Object.entries(OF_EVERY_ANSWER)) response.setHeader(name, value);
  // Sent twice, Node joins them to something that is none.
  const trace = parseTraceParent(request.headers['traceparent']);
  void scopes.run({ id, address: addressOf(request, options), trace }, answer);
}

/** The caller's id where it can stand in a log as it is, else a new one. */
export function requestId(offered: unknown): string {
  return typeof offered === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(offered) ? offered : randomUUID();
}

/**
 * The address that a request comes from. Of IPv6 the first half: who has one address there has all of those.
 * @param options.trustedProxies how many proxies of the operator's stand before this server, each of which appends to
 *   X-Forwarded-For the address that it was asked from; what stands further left, anybody may have written
 */
export function addressOf(request: IncomingMessage, { trustedProxies }: { trustedProxies: number }): string {
  const own = request.socket.remoteAddress ?? '';
  const forwarded = String(request.headers['x-forwarded-for'] ?? '').split(',');
  const told = trustedProxies > 0 ? (forwarded.at(-trustedProxies) ?? '').trim() : '';
  return network(isIP(told) === 0 ? own : told);
}

function network(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined) return v4;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
