import { resolve } from 'node:path';
import { openCore } from '../core/open.ts';
import { startEmbeddedPostgres } from '../db/embedded.ts';
import { messageOf } from '../lib/errors.ts';
import { createApp } from './app.ts';
import { readConfig, type Config } from './config.ts';
import { createLog, type Logger } from './log.ts';
import { embeddedMasterKey } from './master-key.ts';

if (import.meta.main) {
  try {
    await main(readConfig());
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 2;
  }
}

/** Runs the server until SIGTERM or SIGINT. A second signal ends it at once. */
async function main(config: Config): Promise<void> {
  const log = createLog(config.KELPIE_LOG_LEVEL);
  const database = await openDatabase(config, log);
  const core = await openCore({
    databaseUrl: database.url,
    masterKey: database.masterKey,
    adminKey: config.KELPIE_ADMIN_KEY,
    maxConnections: config.KELPIE_DATABASE_CONNECTIONS,
    onError: (error) => log.warn({ err: error }, 'The notification connection failed; it is made again'),
  });
  const app = createApp({ core, log });
  const url = await app.start({ host: config.KELPIE_HOST, port: config.KELPIE_PORT });
  log.info({ url, graphql: `${url}/graphql`, docs: `${url}/docs` }, 'Listening');

  const signal = await stopSignal();
  log.info({ signal }, 'Stopping');
  await app.stop();
  await core.close();
  await database.close();
  log.info('Stopped');
}

async function openDatabase(
  config: Config,
  log: Logger,
): Promise<{ url: string; masterKey: string; close: () => Promise<void> }> {
  if (config.DATABASE_URL !== undefined && config.KELPIE_MASTER_KEY !== undefined) {
    return { url: config.DATABASE_URL, masterKey: config.KELPIE_MASTER_KEY, close: async () => undefined };
  }
  const directory = resolve(config.KELPIE_DATA_DIR);
  const postgres = await startEmbeddedPostgres({
    dataDirectory: resolve(directory, 'postgres'),
    onLog: (line) => log.debug({ line }, 'PostgreSQL'),
  });
  log.info({ directory: postgres.dataDirectory }, 'Embedded PostgreSQL is up');
  return {
    url: postgres.url,
    masterKey: config.KELPIE_MASTER_KEY ?? (await embeddedMasterKey(directory)),
    close: () => postgres.stop(),
  };
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    const stop = (signal: string): void => {
      resolve(signal);
      process.once('SIGTERM', () => process.exit(1));
      process.once('SIGINT', () => process.exit(1));
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  });
}
