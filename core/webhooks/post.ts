import type { LookupAddress } from 'node:dns';
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { whenAborted } from '../../lib/pause.ts';
import { blanked } from './blank.ts';
import { type AllowedRange, publicAddresses, type Resolve } from './guard.ts';

export interface Post {
  url: string;
  headers: Record<string, string>;
  body: string;
  /** What of it, or of what the receiver knows, is nobody else's: it is not in the answer. */
  secrets: readonly string[];
  /** Aborts it; the time limit is the caller's. */
  signal: AbortSignal;
  allowed: readonly AllowedRange[];
  /** How names are resolved. */
  resolve: Resolve;
}

export interface Answer {
  status: number;
  /** As it was sent: seconds, or a date. */
  retryAfter: string | undefined;
  /** The first KiB at most, as text, without the secrets: receivers that show what they were sent are not rare. */
  body: string;
}

/** What is kept of an answer, in bytes; the rest is not read. */
const KEPT_BYTES = 1_024;

/**
 * Sends a POST to a URL that a user gave, over a connection to an address that was checked, and follows no redirect: what it
 * carries is meant for that host alone.
 * @throws ForbiddenAddress when the URL leads into this network; the connection's own error; the signal's reason
 */
export async function post({ url, headers, body, secrets, signal, allowed, resolve }: Post): Promise<Answer> {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') throw new Error(`Expected an http or https URL, got ${protocol}`);
  const addresses = await within(signal, publicAddresses(hostname, { allowed, resolve, signal }));
  const response = await new Promise<IncomingMessage>((settle, reject) => {
    const options: RequestOptions = {
      method: 'POST',
      headers: { ...headers, 'Content-Length': String(Buffer.byteLength(body)) },
      // No connection of another request is used again: it may have been made when the name meant something else.
      agent: false,
      lookup: only(addresses),
      signal,
    };
    const send = protocol === 'https:' ? requestHttps : requestHttp;
    // Not `once`: what breaks after the answer has begun is told by the answer, and must not end this process here.
    send(url, options, settle).on('error', reject).end(body);
  });
  try {
    const retryAfter = response.headers['retry-after'];
    return { status: response.statusCode ?? 0, retryAfter, body: await start(response, secrets) };
  } finally {
    response.destroy();
  }
}

/** A resolver need not heed its signal: then it is left to itself. */
async function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  try {
    return await Promise.race([
      work,
      whenAborted(signal, done.signal).then(() => Promise.reject(signal.reason as Error)),
    ]);
  } finally {
    done.abort();
  }
}

/** In place of a resolver: what was checked is what is connected to. */
function only(addresses: LookupAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    if (options.all === true) callback(null, addresses);
    else callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
  };
}

async function start(response: IncomingMessage, secrets: readonly string[]): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= KEPT_BYTES) break;
  }
  // PostgreSQL stores no NUL. First, because it may stand between the characters of a secret.
  const text = Buffer.concat(chunks).subarray(0, KEPT_BYTES).toString('utf8').replaceAll('\0', '');
  return blanked(text, secrets, { isCut: length >= KEPT_BYTES }).slice(0, KEPT_BYTES);
}
