import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDatabaseAway } from '../db/away.ts';
import { startEmbeddedPostgres } from '../db/embedded.ts';
import { backoffMillis } from '../lib/backoff.ts';
import { messageOf } from '../lib/errors.ts';
import { atMost, isAborted, pause, whenAborted } from '../lib/pause.ts';
import type { Config } from './config.ts';
import type { Logger } from './log.ts';

export interface Database {
  url: string;
  masterKey: string;
  close: () => Promise<void>;
}

/** The configured PostgreSQL, or the embedded one, which goes with this process unless others use it. */
export async function openDatabase(config: Config, log: Logger): Promise<Database> {
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

/** So long the start of an embedded PostgreSQL is waited for once it is not wanted any more; the next start replaces one that is left. */
const ABANDON_MS = 60_000;

/**
 * The same, unless `stopping` comes first: then it is closed as soon as it is open, so that no PostgreSQL is left behind.
 * @returns undefined when `stopping` came first
 */
export async function openDatabaseUnless(
  stopping: AbortSignal,
  config: Config,
  log: Logger,
): Promise<Database | undefined> {
  const opening = openDatabase(config, log);
  const database = await unlessStopped(opening, stopping);
  if (database !== undefined && !isAborted(stopping)) return database;
  const closing = opening.then((late) => late.close());
  await atMost(ABANDON_MS, closing).catch((error: unknown) =>
    log.warn({ err: error }, 'The database could not be closed'),
  );
  return undefined;
}

/** In milliseconds. */
const BETWEEN_TRIES = { baseMs: 250, capMs: 5_000 };

/**
 * Opens something on the database, as soon as that is there: a server may be started before it. Only a database that does not answer is
 * waited for; one that refuses is told of at once.
 * @returns undefined when `stopping` came first
 * @throws what `open` throws for any other reason
 */
export async function whenThere<Opened>(
  open: () => Promise<Opened>,
  log: Logger,
  stopping: AbortSignal,
): Promise<Opened | undefined> {
  for (let tries = 0; !isAborted(stopping); tries += 1) {
    try {
      return await unlessStopped(open(), stopping);
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      const waitMs = backoffMillis(tries, BETWEEN_TRIES);
      // Its message names the host, and no password.
      log.warn({ reason: messageOf(error), waitMs }, 'The database does not answer yet; it is tried again');
      await pause(waitMs, stopping);
    }
  }
  return undefined;
}

/** What `work` comes to, or undefined when `stopping` comes first: what goes on then ends with the process. */
async function unlessStopped<Opened>(work: Promise<Opened>, stopping: AbortSignal): Promise<Opened | undefined> {
  const settled = new AbortController();
  try {
    return await Promise.race([work, whenAborted(stopping, settled.signal).then(() => undefined)]);
  } finally {
    settled.abort();
  }
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
