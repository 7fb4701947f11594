import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startEmbeddedPostgres } from '../db/embedded.ts';
import type { Config } from './config.ts';
import type { Logger } from './log.ts';

/** The configured PostgreSQL, or the embedded one, which goes with this process unless others use it. */
export async function openDatabase(
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

/** The master key of an embedded installation: made once, kept beside the database, readable by its owner alone. */
async function embeddedMasterKey(dataDirectory: string): Promise<string> {
  await mkdir(dataDirectory, { recursive: true });
  const path = join(dataDirectory, 'master-key');
  try {
    await writeFile(path, randomBytes(32).toString('base64'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return readFile(path, 'utf8');
}
