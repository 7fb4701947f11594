import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { listenLocally } from '../../lib/port.ts';
import { checkpointStep, decodeCheckpoint } from './computation.ts';
import type { Write } from './facts.ts';
import type { Random } from './random.ts';
import type { StoreTrouble } from './schedule.ts';

/** The door of the S3 store: knows who asks for what, writes down what changes the bucket, and makes trouble. */
export interface StoreDoor {
  port: number;
  writes: Write[];
  /** What a share (0 to 1) of the requests meets. */
  trouble: { kind: StoreTrouble; share: number } | undefined;
  /** Told of each request that was received whole, before the store is. */
  onRequest: (request: StoreRequest) => void;
  close(): Promise<void>;
}

export interface StoreRequest {
  method: string;
  /** Decoded key, or the prefix of a list. */
  key: string;
}

export async function openStoreDoor(target: string, random: Random): Promise<StoreDoor> {
  const onward = new Agent({ keepAlive: true });
  const server = createServer((incoming, outgoing) => {
    void pass({ door, target, onward, random }, incoming, outgoing);
  });
  const port = await listenLocally(server);
  const door: StoreDoor = {
    port,
    writes: [],
    trouble: undefined,
    onRequest: () => undefined,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      onward.destroy();
    },
  };
  return door;
}

interface Passage {
  door: StoreDoor;
  target: string;
  onward: Agent;
  random: Random;
}

async function pass(passage: Passage, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { door, random } = passage;
  outgoing.on('error', () => undefined);
  const chunks: Buffer[] = await incoming.toArray().catch(() => []);
  if (!incoming.complete) return;
  const body = Buffer.concat(chunks);
  const url = new URL(incoming.url ?? '/', passage.target);
  const key = decodeURIComponent(url.pathname.split('/').slice(2).join('/'));
  const trouble = door.trouble !== undefined && random.chance(door.trouble.share) ? door.trouble.kind : undefined;
  if (trouble === 'NEVER_ANSWERS') return;
  if (trouble === 'ANSWERS_500' || trouble === 'ANSWERS_503') {
    refuse(outgoing, trouble === 'ANSWERS_500' ? 500 : 503);
    return;
  }
  door.onRequest({ method: incoming.method ?? '', key: key === '' ? (url.searchParams.get('prefix') ?? '') : key });
  const write = writeOf(incoming, url, key, body);
  const answer = await forward(passage, incoming, body).catch(() => undefined);
  if (write !== undefined) {
    const done = answer !== undefined && answer.status < 300;
    door.writes.push({ ...write, answeredAt: Date.now(), done });
  }
  if (answer === undefined || trouble === 'LOSES_ANSWERS') {
    outgoing.destroy();
  } else if (trouble === 'DENIES_SUCCESS') {
    refuse(outgoing, 500);
  } else if (trouble === 'CUTS_BODIES') {
    outgoing.writeHead(answer.status, answer.headers);
    outgoing.write(answer.body.subarray(0, answer.body.length / 2), () => outgoing.destroy());
  } else {
    outgoing.writeHead(answer.status, answer.headers).end(answer.body);
  }
}

function refuse(outgoing: ServerResponse, status: 500 | 503): void {
  const code = status === 500 ? 'InternalError' : 'SlowDown';
  const document = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  outgoing.writeHead(status, { 'content-type': 'application/xml' }).end(document);
}

/** What the request would change; undefined when the bucket looks the same after it. */
function writeOf(
  incoming: IncomingMessage,
  { searchParams }: URL,
  key: string,
  body: Buffer,
): Omit<Write, 'answeredAt' | 'done'> | undefined {
  const completesParts = incoming.method === 'POST' && searchParams.has('uploadId');
  const isPart = incoming.method !== 'POST' && searchParams.has('uploadId');
  const isPut = (incoming.method === 'PUT' && !isPart) || completesParts;
  const isDelete = incoming.method === 'DELETE' && !isPart;
  if (key === '' || !(isPut || isDelete)) return undefined;
  return {
    accessKey: /Credential=([^/]+)\//.exec(incoming.headers.authorization ?? '')?.[1] ?? 'nobody',
    kind: isPut ? 'PUT' : 'DELETE',
    key,
    begunAt: signedAt(incoming),
    sentAt: Date.now(),
    whole: isPut && !completesParts && checkpointStep(key) !== undefined ? isWhole(key, body) : undefined,
  };
}

/** From the form 20261122T130500Z. */
function signedAt({ headers }: IncomingMessage): number {
  const date = String(headers['x-amz-date'] ?? '').replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5');
  return Date.parse(date);
}

function isWhole(key: string, body: Buffer): boolean {
  try {
    return decodeCheckpoint(key.endsWith('.gz') ? gunzipSync(body) : body) !== undefined;
  } catch {
    return false;
  }
}

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

async function forward({ target, onward }: Passage, incoming: IncomingMessage, body: Buffer): Promise<Answer> {
  const { hostname, port } = new URL(target);
  const { method = 'GET', url = '/', headers } = incoming;
  const asked = request({ hostname, port, method, path: url, headers, agent: onward });
  asked.end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks = (await answer.toArray()) as Buffer[];
  return { status: answer.statusCode ?? 502, headers: answer.headers, body: Buffer.concat(chunks) };
}
