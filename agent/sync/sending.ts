import { type ClientRequest, type IncomingMessage, request as requestPlainly } from 'node:http';
import { request as requestSecurely } from 'node:https';
import type { Peer, StorageAgents } from './sockets.ts';
import { refusalOf, type StoreError } from './store-error.ts';
import { PIECE_UNDER_LIMIT, type Traffic } from './traffic.ts';

/** Hands the body over piece by piece; what it was given may be used anew when the promise has settled. */
export type Produce = (write: (piece: Buffer) => Promise<void>) => Promise<void>;

/** In memory, or made while it is sent. Sizes are bytes. */
export type Body = { content: Uint8Array } | { size: number; produce: Produce };

/** A signed request as it goes over the wire. */
export interface Target {
  method: 'PUT';
  path: string;
  headers: Record<string, string>;
  body: Body;
}

export interface SendingParts {
  agents: StorageAgents;
  traffic: Traffic;
  /** Milliseconds without a byte after which a request counts as failed. */
  stallMs: number;
  connectMs: number;
}

/**
 * Resolves to the answer once its head is here, if it is a success. Its body has to be read to the end or destroyed. Settles only
 * after `produce` has.
 */
export async function send(
  peer: Peer,
  target: Target,
  parts: SendingParts,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  // A signal that was aborted before tells nobody any more: the request would be sent all the same.
  signal.throwIfAborted();
  return exchange(open(peer, target, parts), target.body, parts, signal);
}

function open(
  { isSecure, hostname, port }: Peer,
  { method, path, headers }: Target,
  { agents }: SendingParts,
): ClientRequest {
  const options = { method, path, headers, hostname, ...(port === undefined ? {} : { port }) };
  return isSecure
    ? requestSecurely({ ...options, agent: agents.httpsAgent })
    : requestPlainly({ ...options, agent: agents.httpAgent });
}

async function exchange(
  request: ClientRequest,
  body: Body,
  { traffic, stallMs, connectMs }: SendingParts,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const answered = answerTo(request);
  giveUpWhenAborted(request, signal);
  limitTimes(request, stallMs, connectMs);
  const sent = sendBody(request, body, traffic, signal);
  try {
    const answer = await answered;
    if (isSuccess(answer)) return answer;
    throw await refusedIn(answer);
  } catch (error) {
    // Of a request that is refused half-way nobody takes the rest.
    if (!request.writableFinished) request.destroy();
    // Of a request that was destroyed with an error, Node may say only that the connection ended.
    throw (await sent) ?? error;
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

/** Never rejects: what goes wrong here ends the request. Resolves to why the body could not be made, where it was that. */
async function sendBody(
  request: ClientRequest,
  body: Body,
  { allow }: Traffic,
  signal: AbortSignal,
): Promise<Error | undefined> {
  if ('content' in body && allow === undefined) {
    request.end(body.content);
    return undefined;
  }
  const closed = Promise.withResolvers<never>();
  closed.promise.catch(() => undefined);
  request.once('close', () => closed.reject(new Error('the request has ended before its body')));
  const way = { isCutOff: false };
  const send = async (piece: Uint8Array) => {
    await Promise.race([written(request, piece), closed.promise]).catch((error: unknown) => {
      way.isCutOff = true;
      throw error;
    });
  };
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
    return undefined;
  } catch (error) {
    const fault = error instanceof Error ? error : new Error(String(error));
    request.destroy(fault);
    return way.isCutOff || signal.aborted ? undefined : fault;
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

function refusedIn(answer: IncomingMessage): Promise<StoreError> {
  const { statusCode: status = 0, statusMessage = '', headers } = answer;
  return refusalOf({ status, statusMessage, date: headers.date, chunks: answer as AsyncIterable<Uint8Array> });
}
