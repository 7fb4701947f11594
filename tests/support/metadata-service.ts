import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { listenLocally } from '../../lib/port.ts';
import { until } from './until.ts';

/** One request as it came. */
export interface Asked {
  /** Such as `PUT /v1/deletion-cost`. */
  what: string;
  metadata: string | undefined;
  body: unknown;
}

/** Salad's instance metadata service, as far as its document goes: what an instance may ask, and how it is answered. */
export interface TestMetadataService {
  url: string;
  asked: Asked[];
  /** The deletion costs that were set, in order. */
  costs(): number[];
  /** The reasons of the reallocations that were asked for. */
  reallocations(): string[];
  /** What is given out as the instance's token; without, there is none. */
  token: (() => string | Promise<string>) | undefined;
  /** Before the ordinary answer to a request; true: it was answered otherwise, or will not be. */
  meddle: ((asked: Asked, response: ServerResponse) => boolean | Promise<boolean>) | undefined;
  /** Waits for a request of this kind, the `number`-th (1). */
  hears(what: string, number?: number): Promise<Asked>;
  close(): Promise<void>;
}

export async function startMetadataService(): Promise<TestMetadataService> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => void answer(request, response));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = Buffer.concat((await request.toArray()) as Buffer[]).toString();
    const { method = '', url = '', headers } = request;
    const one: Asked = {
      what: `${method} ${url}`,
      metadata: headers.metadata === undefined ? undefined : String(headers.metadata),
      body: text === '' ? undefined : JSON.parse(text),
    };
    asked.push(one);
    if ((await service.meddle?.(one, response)) === true) return;
    const { status, body } = await ordinary(one, service);
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  }

  const port = await listenLocally(server);
  const bodiesOf = (what: string) => asked.filter((one) => one.what === what).map(({ body }) => body);
  const service: TestMetadataService = {
    url: `http://127.0.0.1:${port}`,
    asked,
    costs: () => bodiesOf('PUT /v1/deletion-cost').map((body) => costBody.parse(body).deletion_cost),
    reallocations: () => bodiesOf('POST /v1/reallocate').map((body) => reasonBody.parse(body).reason),
    token: undefined,
    meddle: undefined,
    hears: (what, number = 1) =>
      until(`request ${number} of ${what}`, () => asked.filter((one) => one.what === what)[number - 1], 25_000),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return service;
}

const costBody = z.strictObject({ deletion_cost: z.int().min(-2_147_483_648).max(2_147_483_647) });
const reasonBody = z.strictObject({ reason: z.string().min(1).max(1000) });

async function ordinary(asked: Asked, service: TestMetadataService): Promise<{ status: number; body?: unknown }> {
  if (asked.metadata !== 'true') return { status: 400 };
  switch (asked.what) {
    case 'PUT /v1/deletion-cost':
      return { status: costBody.safeParse(asked.body).success ? 204 : 400 };
    case 'POST /v1/reallocate':
      return { status: reasonBody.safeParse(asked.body).success ? 204 : 400 };
    case 'POST /v1/recreate':
      return { status: 204 };
    case 'GET /v1/token':
      return service.token === undefined ? { status: 404 } : { status: 200, body: { jwt: await service.token() } };
    default:
      return { status: 404 };
  }
}
