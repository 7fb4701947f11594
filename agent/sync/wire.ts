import { hash } from 'node:crypto';
import { type ClientRequest, type IncomingMessage, request as requestPlainly } from 'node:http';
import { request as requestSecurely } from 'node:https';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Address } from './entry.ts';
import { findPlace, type Place } from './place.ts';
import { type Credentials, pathOf, queryText, UNSIGNED_PAYLOAD } from './signature.ts';
import type { StorageAgents } from './sockets.ts';
import { PIECE_UNDER_LIMIT, type Traffic } from './traffic.ts';

/** Hands the body over piece by piece; what it was given may be used anew when the promise has settled. */
export type Produce = (write: (piece: Buffer) => Promise<void>) => Promise<void>;

/** In memory, or made while it is sent. Sizes are bytes. */
export type Body = { content: Uint8Array } | { size: number; produce: Produce };

export interface WireRequest {
  method: 'GET' | 'PUT';
  address: Address;
  query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  headers?: Readonly<Record<string, string>>;
  body?: Body;
}

export interface WireParts {
  /** Knows credentials, endpoints and clocks. */
  client: S3Client;
  agents: StorageAgents;
  traffic: Traffic;
  /** Milliseconds without a byte after which a request counts as failed. */
  stallMs: number;
  connectMs: number;
}

/**
 * The requests that move the data. The SDK takes a millisecond of computing for each, several times of what Node needs; for
 * thousands of small files that is the wall. So these are signed and sent here; who asks, and where, the SDK still says.
 */
export interface Wire {
  /**
   * Resolves to the answer once its head is here, if it is a success. Its body has to be read to the end or destroyed. Rejects with
   * StoreError when the store refuses, and settles only after `produce` has.
   */
  send(request: WireRequest, signal: AbortSignal): Promise<IncomingMessage>;
}

/** What the store has refused; `name` is the code it gave, as in the SDK's errors. */
export class StoreError extends Error {
  /** As the SDK's errors have it. */
  readonly $metadata: { httpStatusCode: number };

  constructor(code: string, httpStatusCode: number, message: string) {
    super(message);
    this.name = code;
    this.$metadata = { httpStatusCode };
  }
}

export function createWire(parts: WireParts): Wire {
  const { client } = parts;
  const places = new Map<string, Promise<Place>>();

  const placeOf = (bucket: string): Promise<Place> => {
    const known = places.get(bucket) ?? findPlace(client, bucket);
    places.set(bucket, known);
    known.catch(() => places.delete(bucket));
    return known;
  };
  return {
    async send(request, signal) {
      signal.throwIfAborted();
      const [place, credentials] = await Promise.all([placeOf(request.address.bucket), client.config.credentials()]);
      return inTraffic(parts.traffic, request, signal, () => {
        const target = targetOf(request, place, credentials, new Date(Date.now() + client.config.systemClockOffset));
        return exchange(open(place, target, parts), request.body, parts, signal);
      });
    },
  };
}

/** A request has its place until the last byte of its answer is here. */
async function inTraffic(
  traffic: Traffic,
  { body }: WireRequest,
  signal: AbortSignal,
  exchangeNow: () => Promise<IncomingMessage>,
): Promise<IncomingMessage> {
  const place = await traffic.enter(signal);
  try {
    const answer = await exchangeNow();
    answer.once('close', () => place.leave(sizeOf(body) ?? Number(answer.headers['content-length'] ?? 0)));
    return answer;
  } catch (error) {
    if (error instanceof StoreError && SLOWER.has(error.$metadata.httpStatusCode)) place.refused();
    place.leave(0);
    throw error;
  }
}

/** Too Many Requests, and Slow Down. */
const SLOWER = new Set([429, 503]);

interface Target {
  method: string;
  path: string;
  headers: Record<string, string>;
}

function targetOf(
  { method, address, query = {}, headers = {}, body }: WireRequest,
  { host, path: base, isSecure, signer }: Place,
  credentials: Credentials,
  now: Date,
): Target {
  const path = `${base}/${pathOf(address.key)}`;
  const size = sizeOf(body);
  const lines = { ...headers, 'user-agent': 'kelpie', ...(size === undefined ? {} : { 'content-length': `${size}` }) };
  const signable = { method, host, path, query, headers: lines, payloadHash: payloadHashOf(body, isSecure) };
  const search = queryText(query);
  return {
    method,
    path: search === '' ? path : `${path}?${search}`,
    headers: signer.sign(signable, credentials, now),
  };
}

const EMPTY_HASH = hash('sha256', '', 'hex');

function sizeOf(body: Body | undefined): number | undefined {
  if (body === undefined) return undefined;
  return 'content' in body ? body.content.length : body.size;
}

/** Below TLS nothing else keeps the body from being changed on the way. */
function payloadHashOf(body: Body | undefined, isSecure: boolean): string {
  if (body === undefined) return EMPTY_HASH;
  return isSecure || !('content' in body) ? UNSIGNED_PAYLOAD : hash('sha256', body.content, 'hex');
}

function open({ isSecure, hostname, port }: Place, target: Target, { agents }: WireParts): ClientRequest {
  const options = { ...target, hostname, ...(port === undefined ? {} : { port }) };
  return isSecure
    ? requestSecurely({ ...options, agent: agents.httpsAgent })
    : requestPlainly({ ...options, agent: agents.httpAgent });
}

async function exchange(
  request: ClientRequest,
  body: Body | undefined,
  { client, traffic, stallMs, connectMs }: WireParts,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const answered = answerTo(request);
  giveUpWhenAborted(request, signal);
  limitTimes(request, stallMs, connectMs);
  const sent = sendBody(request, body, traffic, signal);
  try {
    const answer = await answered;
    if (isSuccess(answer)) return answer;
    throw await refusalOf(answer, client);
  } catch (error) {
    // Of a request that is refused half-way nobody takes the rest.
    if (!request.writableFinished) request.destroy();
    throw error;
  } finally {
    await sent;
  }
}

function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', reject);
    request.once('close', () => reject(new Error('the connection was closed before the store answered')));
  });
}

function giveUpWhenAborted(request: ClientRequest, signal: AbortSignal): void {
  const giveUp = () => {
    request.destroy(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
  };
  signal.addEventListener('abort', giveUp);
  // Not before the last byte of the answer is here.
  request.once('close', () => signal.removeEventListener('abort', giveUp));
}

function limitTimes(request: ClientRequest, stallMs: number, connectMs: number): void {
  request.setTimeout(stallMs, () => request.destroy(timeout(`not a byte within ${stallMs} ms`)));
  request.on('socket', (socket) => {
    if (!socket.connecting) return;
    const limit = setTimeout(() => request.destroy(timeout(`no connection within ${connectMs} ms`)), connectMs);
    const done = () => clearTimeout(limit);
    socket.once('connect', done).once('close', done);
  });
}

function timeout(message: string): Error {
  return Object.assign(new Error(message), { name: 'TimeoutError' });
}

/** Never rejects: what goes wrong here ends the request, and is its error. */
async function sendBody(
  request: ClientRequest,
  body: Body | undefined,
  { allow }: Traffic,
  signal: AbortSignal,
): Promise<void> {
  if (body === undefined || ('content' in body && allow === undefined)) {
    request.end(body?.content);
    return;
  }
  const closed = Promise.withResolvers<never>();
  closed.promise.catch(() => undefined);
  request.once('close', () => closed.reject(new Error('the request has ended before its body')));
  const send = (piece: Uint8Array) => Promise.race([written(request, piece), closed.promise]);
  const sendAllowed = async (content: Uint8Array) => {
    const size = allow === undefined ? content.length : PIECE_UNDER_LIMIT;
    for (let start = 0; start < content.length; start += size) {
      const piece = content.subarray(start, start + size);
      await allow?.(piece.length, signal);
      await send(piece);
    }
  };
  try {
    await ('content' in body ? sendAllowed(body.content) : body.produce(sendAllowed));
    request.end();
  } catch (error) {
    request.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

function written(request: ClientRequest, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    request.write(piece, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

const LONGEST_REFUSAL = 64 * 2 ** 10;

async function refusalOf(answer: IncomingMessage, client: S3Client): Promise<StoreError> {
  const status = answer.statusCode ?? 0;
  let text = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    // Leaving the loop closes the connection.
    if (text.length > LONGEST_REFUSAL) break;
  }
  const code = /<Code>([^<]+)<\/Code>/.exec(text)?.[1] ?? `Http${status}`;
  const message = /<Message>([^<]+)<\/Message>/.exec(text)?.[1] ?? answer.statusMessage ?? '';
  if (code === 'RequestTimeTooSkewed') correctClock(answer, client);
  return new StoreError(code, status, `the store answered ${status} ${code}: ${message}`);
}

/** Many a machine's clock is wrong; the SDK corrects itself in the same way, by the same setting. */
function correctClock({ headers }: IncomingMessage, { config }: S3Client): void {
  const theirs = Date.parse(headers.date ?? '');
  if (!Number.isNaN(theirs)) config.systemClockOffset = theirs - Date.now();
}
