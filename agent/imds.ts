import { Agent, type IncomingMessage, request } from 'node:http';
import { z } from 'zod';
import { messageOf } from '../lib/errors.ts';
import { anyOf } from '../lib/signals.ts';

/** Where Salad's instances find it: an address that leads nowhere but to the machine they run on. */
export const METADATA_URL = 'http://169.254.169.254';
/** The service runs on the same machine: what takes longer is out of order. */
export const ANSWER_WITHIN_MS = 2000;

/**
 * Salad's instance metadata service, as far as an agent needs it. Each call rejects when the service says no
 * (MetadataRefusal), does not answer within 2 s, or `signal` is aborted. No error shows what was sent or answered.
 */
export interface MetadataService {
  /** Of several instances, those of the least cost are given up first. A whole number, 0 to 2,147,483,647. */
  setDeletionCost(cost: number, signal: AbortSignal): Promise<void>;
  /** This instance is to go on on another machine. The reason is read by whoever keeps the machines. */
  reallocate(reason: string, signal: AbortSignal): Promise<void>;
  /** This instance is to be made anew from its image, on the same machine. */
  recreate(signal: AbortSignal): Promise<void>;
  /** What proves to others that this is the instance that it says it is: a secret. */
  token(signal: AbortSignal): Promise<string>;
}

export class MetadataRefusal extends Error {
  override name = 'MetadataRefusal';
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** `url` is `http://…`, with or without a slash at its end. */
export function createMetadataService(url: string): MetadataService {
  const base = url.replace(/(?<!\/)\/+$/, '');
  const ask = (method: Asked['method'], path: string, signal: AbortSignal, body?: object) =>
    answerTo({ url: `${base}${path}`, method, path, body, signal });
  return {
    async setDeletionCost(cost, signal) {
      await ask('PUT', '/v1/deletion-cost', signal, { deletion_cost: cost });
    },
    async reallocate(reason, signal) {
      await ask('POST', '/v1/reallocate', signal, { reason });
    },
    async recreate(signal) {
      await ask('POST', '/v1/recreate', signal);
    },
    token: async (signal) => tokenIn(await ask('GET', '/v1/token', signal)),
  };
}

interface Asked {
  url: string;
  method: 'GET' | 'PUT' | 'POST';
  path: string;
  body: object | undefined;
  signal: AbortSignal;
}

async function answerTo(asked: Asked): Promise<string> {
  const { method, path } = asked;
  const limit = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const signal = anyOf(asked.signal, limit);
  try {
    const response = await responseTo(asked, signal);
    const { statusCode: status = 0 } = response;
    const text = await textOf(response);
    if (status >= 200 && status < 300) return text;
    throw new MetadataRefusal(`${method} ${path} was answered with status ${status}`, status);
  } catch (error) {
    if (error instanceof MetadataRefusal) throw error;
    const why = limit.aborted ? `no answer within ${ANSWER_WITHIN_MS} ms` : messageOf(error);
    throw new Error(`${method} ${path} was not answered: ${why}`, { cause: error });
  }
}

/** No proxy knows this address. That of `fetch`, which the environment may set, cannot be passed by; that of an agent of our own can. */
const connections = new Agent({ keepAlive: false });

function responseTo({ url, method, body }: Asked, signal: AbortSignal): Promise<IncomingMessage> {
  const content = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = {
      Metadata: 'true',
      Accept: 'application/json',
      ...(content === undefined
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(content) }),
    };
    const sent = request(url, { method, headers, agent: connections, signal });
    sent.on('error', reject);
    sent.on('response', resolve);
    // Who wants to speak another protocol has neither answered nor failed.
    sent.on('close', () => reject(new Error('the connection ended without an answer')));
    sent.end(content);
  });
}

/** Its answers are short: the longest is a token. */
const MAX_ANSWER_BYTES = 65_536;

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop ends the transfer.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`expected at most ${MAX_ANSWER_BYTES} bytes, got more`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Salad's tokens have at most 1,000 characters; servers take more. Nothing else can stand in a header. */
const tokenAnswer = z.object({ jwt: z.string().regex(/^[\w.~+/=-]{1,8192}$/) });

function tokenIn(text: string): string {
  try {
    return tokenAnswer.parse(JSON.parse(text)).jwt;
  } catch {
    // Neither as a text nor as a cause: what came may hold the token.
    throw new Error('GET /v1/token was answered with something else than {"jwt": "…"}');
  }
}
