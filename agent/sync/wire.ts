import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Address } from './entry.ts';
import type { Expected, Taken } from './arriving-file.ts';
import type { Landing } from './landing.ts';
import type { Meter } from './meter.ts';
import { untilAborted } from './parallel.ts';
import { findPlace, type Place } from './place.ts';
import { type Body, send } from './sending.ts';
import { type Credentials, pathOf, queryText, UNSIGNED_PAYLOAD } from './signature.ts';
import type { StorageAgents } from './sockets.ts';
import { StoreError } from './store-error.ts';
import type { Traffic, Place as Turn } from './traffic.ts';

export interface WireRequest {
  address: Address;
  query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  headers?: Readonly<Record<string, string>>;
}

export interface WirePut extends WireRequest {
  body: Body;
}

export interface WireTake extends WireRequest {
  /** Where in the file the answer belongs, bytes. */
  start: number;
  expects: Expected;
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
  /** Brings what a GET answers into the file. Rejects as Landing.take does. */
  take(landing: Landing, request: WireTake, onMoved: Meter, signal: AbortSignal): Promise<Taken>;
  /**
   * Resolves to the answer once its head is here, if it is a success. Its body has to be read to the end or destroyed. Rejects with
   * StoreError when the store refuses. Settles only after `produce` has.
   */
  put(request: WirePut, signal: AbortSignal): Promise<IncomingMessage>;
}

export function createWire(parts: WireParts): Wire {
  const { client, traffic } = parts;
  const places = new Map<string, Promise<Place>>();

  const placeOf = (bucket: string): Promise<Place> => {
    const known = places.get(bucket) ?? findPlace(client, bucket);
    places.set(bucket, known);
    known.catch(() => places.delete(bucket));
    return known;
  };
  const addressed = async (request: WireRequest, signal: AbortSignal) => {
    const [place, credentials] = await untilAborted(
      Promise.all([placeOf(request.address.bucket), client.config.credentials()]),
      signal,
    );
    return { place, ...signed(request, place, credentials, new Date(Date.now() + client.config.systemClockOffset)) };
  };
  return {
    take: (landing, request, onMoved, signal) =>
      inTraffic(parts, signal, async (turn) => {
        const { place, path, headers } = await addressed(request, signal);
        const { isSecure, hostname, port } = place;
        const { start, expects } = request;
        const order = { peer: { isSecure, hostname, port }, request: { path, headers }, start, expects };
        const taken = await landing.take(order, onMoved, signal);
        turn.leave(taken.received);
        return taken;
      }),
    put: (request, signal) =>
      inTraffic(parts, signal, async (turn) => {
        const { place, path, headers } = await addressed(request, signal);
        const { body } = request;
        const answer = await send(place, { method: 'PUT', path, headers, body }, { ...parts, traffic }, signal);
        answer.once('close', () => turn.leave(sizeOf(body)));
        return answer;
      }),
  };
}

/** A request has its turn until the last byte of its answer is here, as the request itself says where it succeeds. */
async function inTraffic<T>(
  { traffic, client }: WireParts,
  signal: AbortSignal,
  exchange: (turn: Turn) => Promise<T>,
): Promise<T> {
  const turn = await traffic.enter(signal);
  try {
    return await exchange(turn);
  } catch (error) {
    if (error instanceof StoreError) {
      if (SLOWER.has(error.$metadata.httpStatusCode)) turn.refused();
      if (error.name === 'RequestTimeTooSkewed') correctClock(error, client);
    }
    turn.leave(0);
    throw error;
  }
}

/** Too Many Requests, and Slow Down. */
const SLOWER = new Set([429, 503]);

function signed(
  { address, query = {}, headers = {}, ...request }: WireRequest | WirePut,
  { host, path: base, isSecure, signer }: Place,
  credentials: Credentials,
  now: Date,
): { path: string; headers: Record<string, string> } {
  const body = 'body' in request ? request.body : undefined;
  const path = `${base}/${pathOf(address.key)}`;
  const length = body === undefined ? {} : { 'content-length': `${sizeOf(body)}` };
  const lines = { ...headers, 'user-agent': 'kelpie', ...length };
  const method = body === undefined ? 'GET' : 'PUT';
  const signable = { method, host, path, query, headers: lines, payloadHash: payloadHashOf(body, isSecure) };
  const search = queryText(query);
  return { path: search === '' ? path : `${path}?${search}`, headers: signer.sign(signable, credentials, now) };
}

const EMPTY_HASH = hash('sha256', '', 'hex');

function sizeOf(body: Body): number {
  return 'content' in body ? body.content.length : body.size;
}

/** Below TLS nothing else keeps the body from being changed on the way. */
function payloadHashOf(body: Body | undefined, isSecure: boolean): string {
  if (body === undefined) return EMPTY_HASH;
  return isSecure || !('content' in body) ? UNSIGNED_PAYLOAD : hash('sha256', body.content, 'hex');
}

/** Many a machine's clock is wrong; the SDK corrects itself in the same way, by the same setting. */
function correctClock({ date }: StoreError, { config }: S3Client): void {
  const theirs = Date.parse(date ?? '');
  if (!Number.isNaN(theirs)) config.systemClockOffset = theirs - Date.now();
}
