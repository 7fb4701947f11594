import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { createApp, type App, type AppParts } from '../../server/app.ts';
import { createLog } from '../../server/log.ts';
import type { TraceParts } from '../../core/traces/job-traces.ts';
import type { NewsPaceOptions } from '../../core/leases/news-pace.ts';
import type { Provider } from '../../core/scaling/provider.ts';
import { openTestCore, type Pooler, type TestCore } from './core.ts';

export interface TestApp extends TestCore {
  /** Another one that a test puts in its place is stopped instead. */
  app: App;
  url: string;
  /** One GraphQL operation over HTTP, with this key. */
  graphql: (
    key: string | undefined,
    query: string,
    variables?: Record<string, unknown>,
  ) => Promise<{
    data?: Record<string, unknown>;
    errors?: { message: string; extensions?: Record<string, unknown> }[];
  }>;
  /** One REST request. */
  rest(
    key: string | undefined,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: unknown; headers: Headers }>;
  /** A graphql-ws client, ended with the app. */
  socket(key: string | undefined): Client;
}

/** A whole server on a free port of loopback, with a database of its own and its loops running. */
export async function startTestApp(
  options: {
    maxConnections?: number;
    provider?: Provider;
    pooler?: Pooler;
    traces?: TraceParts;
    news?: NewsPaceOptions;
    turnPatienceMs?: number;
  } & Partial<Omit<AppParts, 'core'>> = {},
): Promise<TestApp> {
  const { maxConnections, provider, pooler, traces, news, turnPatienceMs, ...parts } = options;
  const testCore = await openTestCore({
    ...(maxConnections !== undefined && { maxConnections }),
    ...(provider !== undefined && { provider }),
    ...(pooler !== undefined && { pooler }),
    ...(traces !== undefined && { traces }),
    ...(news !== undefined && { news }),
    ...(turnPatienceMs !== undefined && { turnPatienceMs }),
  });
  const app = createApp({ core: testCore.core, log: createLog('silent'), ...parts });
  const url = await app.start({ host: '127.0.0.1', port: 0 });
  const clients: Client[] = [];
  const whole: TestApp = {
    ...testCore,
    app,
    url,
    graphql: async (key, query, variables) => {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...(key !== undefined && { 'X-Kelpie-Key': key }) },
        body: JSON.stringify({ query, variables }),
      });
      return (await response.json()) as never;
    },
    rest: async (key, method, path, body) => {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { ...(key !== undefined && { 'X-Kelpie-Key': key }) },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text), headers: response.headers };
    },
    socket: (key) => {
      const client = createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: key === undefined ? {} : { 'X-Kelpie-Key': key },
        retryAttempts: 0,
      });
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const client of clients) await client.dispose();
      await whole.app.stop();
      await testCore.close();
    },
  };
  return whole;
}
