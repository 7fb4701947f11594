import { openCore, type OpenCore } from '../../core/open.ts';
import { parseRanges } from '../../core/webhooks/guard.ts';
import { createApp } from '../../server/app.ts';
import { createLog } from '../../server/log.ts';
import type { TestApp } from './app.ts';
import { MASTER_KEY, type Pooler } from './core.ts';

/** One more server of the same database, as a test's app: operations go to it, and keys are those of the first. */
export interface Beside {
  app: Pick<TestApp, 'url' | 'graphql'>;
  core: OpenCore;
  stop(): Promise<void>;
}

export async function startBeside({ database }: TestApp, pooler?: Pooler): Promise<Beside> {
  const core = await openCore({
    ...(pooler === undefined
      ? { databaseUrl: database.url }
      : { databaseUrl: pooler.before(database.url), directUrl: database.url }),
    masterKey: MASTER_KEY,
    webhookAllowed: parseRanges('127.0.0.0/8'),
    onError: () => undefined,
  });
  const app = createApp({ core, log: createLog('silent') });
  const url = await app.start({ host: '127.0.0.1', port: 0 });
  return {
    core,
    app: { url, graphql: (key, query, variables) => post(url, key, { query, variables }) },
    async stop() {
      await app.stop();
      await core.close();
    },
  };
}

async function post(url: string, key: string | undefined, operation: object): Promise<never> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(key !== undefined && { 'X-Kelpie-Key': key }) },
    body: JSON.stringify(operation),
  });
  return (await response.json()) as never;
}
