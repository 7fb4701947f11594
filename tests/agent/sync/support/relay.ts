import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

/** One request as the store saw it, in the order of arrival, listed as soon as it begins. */
export interface Relayed {
  method: string;
  /** Decoded key, without the bucket. */
  key: string;
  query: URLSearchParams;
  /** Empty until all of it is here. */
  body: Buffer;
  /** Set when the store has answered. */
  status: number | undefined;
}

/** What to do with a request before it reaches the store: nothing, wait, answer with a status, or cut the connection. */
export type Interference = (seen: Relayed) => Promise<number | 'cut' | 'truncate' | undefined> | undefined;

export interface Relay {
  url: string;
  seen: Relayed[];
  interfere: Interference;
  /** Answers in the store's place, with an XML document. */
  answer: (seen: Relayed) => string | undefined;
  stop(): Promise<void>;
}

/** Stands between sync and the store: writes down what passes, and makes trouble on demand. */
export async function startRelay(target: string): Promise<Relay> {
  const relay: Relay = { url: '', seen: [], interfere: () => undefined, answer: () => undefined, stop };
  const server = createServer((incoming, outgoing) => void pass(relay, target, incoming, outgoing));
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  relay.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

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
    body: Buffer.alloc(0),
    status: undefined,
  };
  relay.seen.push(seen);
  // A sender that gives up is no fault of the relay.
  const chunks: Buffer[] = await incoming.toArray().catch(() => []);
  if (incoming.destroyed && !incoming.complete) return;
  seen.body = Buffer.concat(chunks);
  const answer = relay.answer(seen);
  if (answer !== undefined) {
    const headers = { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(answer) };
    outgoing.writeHead(200, headers).end(answer);
    return;
  }
  const verdict = await relay.interfere(seen);
  if (verdict === 'cut' || outgoing.destroyed) {
    outgoing.destroy();
  } else if (typeof verdict === 'number') {
    seen.status = verdict;
    outgoing.writeHead(verdict).end();
  } else {
    await forward(target, incoming, seen, outgoing, verdict === 'truncate');
  }
}

async function forward(
  target: string,
  incoming: IncomingMessage,
  seen: Relayed,
  outgoing: ServerResponse,
  truncate: boolean,
): Promise<void> {
  const { hostname, port } = new URL(target);
  const { method = 'GET', url = '/', headers } = incoming;
  await new Promise<void>((resolve) => {
    const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
      void answer.toArray().then((chunks) => {
        const body = Buffer.concat(chunks as Buffer[]);
        seen.status = answer.statusCode;
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        if (truncate) outgoing.write(body.subarray(0, body.length / 2), () => outgoing.destroy());
        else outgoing.end(body);
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
