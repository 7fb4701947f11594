import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { listenLocally } from '../../../../lib/port.ts';

/** One request as the store saw it, in the order of arrival, listed as soon as it begins. */
export interface Relayed {
  method: string;
  /** Decoded key, without the bucket. */
  key: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  /** Empty until all of it is here. */
  body: Buffer;
  /** Set when the store has answered. */
  status: number | undefined;
}

/**
 * What becomes of a request: nothing special; a status, also with the code that a store gives, in the store's place; `cut`, the
 * store never hears of it; `regardless`, it does, also when the sender has given it up; or it reaches the store, and of the answer comes
 * `nothing` (the connection ends), half (`truncate`),
 * half and then silence (`stall`), half as if it were the whole (`short`), or all of it with one byte changed (`damage`).
 */
export type Verdict = number | { status: number; code: string } | 'cut' | 'regardless' | AnswerFault | undefined;

export type AnswerFault = 'nothing' | 'truncate' | 'stall' | 'short' | 'damage';

/** Asked before a request reaches the store. It may wait. */
export type Interference = (seen: Relayed) => Promise<Verdict> | undefined;

export interface Relay {
  url: string;
  seen: Relayed[];
  interfere: Interference;
  /** Asked when the first bytes of a body are here: `true` ends the connection, and the store gets what has come so far. */
  breakOff: (seen: Relayed) => boolean;
  /** What the store is told in place of the headers of a request, */
  rewrite: (headers: IncomingHttpHeaders) => IncomingHttpHeaders;
  /** and what the sender in place of the headers of an answer. */
  rewriteAnswer: (headers: IncomingHttpHeaders) => IncomingHttpHeaders;
  /** Answers in the store's place, with an XML document. */
  answer: (seen: Relayed) => string | undefined;
  stop(): Promise<void>;
}

/** Stands between sync and the store: writes down what passes, and makes trouble on demand. */
export async function startRelay(target: string): Promise<Relay> {
  const relay: Relay = {
    url: '',
    seen: [],
    interfere: () => undefined,
    breakOff: () => false,
    rewrite: same,
    rewriteAnswer: same,
    answer: () => undefined,
    stop,
  };
  const server = createServer((incoming, outgoing) => void pass(relay, target, incoming, outgoing));
  // On a busy machine sync may write to a connection while it is being closed for its idleness.
  server.keepAliveTimeout = 60_000;
  const port = await listenLocally(server);
  relay.url = `http://127.0.0.1:${port}`;

  async function stop(): Promise<void> {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  return relay;
}

async function pass(relay: Relay, target: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const url = new URL(incoming.url ?? '/', target);
  const seen: Relayed = {
    method: incoming.method ?? '',
    key: decodeURIComponent(url.pathname.split('/').slice(2).join('/')),
    query: url.searchParams,
    headers: incoming.headers,
    body: Buffer.alloc(0),
    status: undefined,
  };
  relay.seen.push(seen);
  if (incoming.method === 'PUT' && relay.breakOff(seen)) {
    await forwardHalf(target, incoming, outgoing);
    return;
  }
  // A sender that gives up is no fault of the relay. It may have sent all, and be gone before that was read: that is no empty body.
  const chunks: Buffer[] | undefined = await incoming.toArray().catch(() => undefined);
  if (chunks === undefined || (incoming.destroyed && !incoming.complete)) return;
  seen.body = Buffer.concat(chunks);
  const answer = relay.answer(seen);
  if (answer !== undefined) {
    const headers = { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(answer) };
    outgoing.writeHead(200, headers).end(answer);
    return;
  }
  const verdict = await relay.interfere(seen);
  if (verdict === 'cut' || (outgoing.destroyed && verdict !== 'regardless')) {
    outgoing.destroy();
  } else if (typeof verdict === 'number') {
    seen.status = verdict;
    outgoing.writeHead(verdict).end();
  } else if (typeof verdict === 'object') {
    seen.status = verdict.status;
    const document = `<?xml version="1.0"?><Error><Code>${verdict.code}</Code><Message>of the relay</Message></Error>`;
    outgoing.writeHead(verdict.status, { 'content-type': 'application/xml' }).end(document);
  } else {
    await forward(relay, target, incoming, { seen, outgoing, fault: verdict === 'regardless' ? undefined : verdict });
  }
}

/** A header that is undefined is one that is not sent. */
function given(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
}

function same<T>(value: T): T {
  return value;
}

async function forwardHalf(target: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { method = 'GET', url = '/', headers } = incoming;
  const onward = request(new URL(url, target), { method, headers });
  onward.on('error', () => undefined);
  const [chunk] = (await once(incoming, 'data')) as [Buffer];
  onward.write(chunk.subarray(0, chunk.length / 2), () => {
    onward.destroy();
    outgoing.destroy();
  });
}

interface Way {
  seen: Relayed;
  outgoing: ServerResponse;
  fault: AnswerFault | undefined;
}

async function forward(
  relay: Relay,
  target: string,
  incoming: IncomingMessage,
  { seen, outgoing, fault }: Way,
): Promise<void> {
  const { hostname, port } = new URL(target);
  const { method = 'GET', url = '/', headers } = incoming;
  await new Promise<void>((resolve) => {
    const onward = request({ hostname, port, method, path: url, headers: given(relay.rewrite(headers)) }, (answer) => {
      void answer.toArray().then((chunks) => {
        const body = Buffer.concat(chunks as Buffer[]);
        seen.status = answer.statusCode;
        reply(
          outgoing,
          { status: answer.statusCode ?? 502, headers: relay.rewriteAnswer(answer.headers), body },
          fault,
        );
        resolve();
      });
    });
    onward.on('error', () => {
      outgoing.destroy();
      resolve();
    });
    onward.end(seen.body);
  });
}

function reply(
  outgoing: ServerResponse,
  { status, headers, body }: { status: number; headers: IncomingHttpHeaders; body: Buffer },
  fault: AnswerFault | undefined,
): void {
  if (outgoing.destroyed) return;
  const half = body.subarray(0, body.length / 2);
  switch (fault) {
    case undefined:
      outgoing.writeHead(status, headers).end(body);
      return;
    case 'nothing':
      outgoing.destroy();
      return;
    case 'truncate':
      outgoing.writeHead(status, headers).write(half, () => outgoing.destroy());
      return;
    case 'stall':
      outgoing.writeHead(status, headers).write(half);
      return;
    case 'short':
      outgoing.writeHead(status, { ...headers, 'content-length': half.length }).end(half);
      return;
    case 'damage':
      outgoing.writeHead(status, headers).end(body.with(0, (body[0] ?? 0) ^ 1));
  }
}
