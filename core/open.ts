import { createOrm, type Orm } from '../db/orm.ts';
import { migrate } from '../db/migrate.ts';
import { startAnnouncements } from '../db/listen.ts';
import { ensureAdmin } from './accounts/keys.ts';
import { createSecretBox } from './accounts/secret-box.ts';
import { createAgentSignals, type AgentSignals } from './agents/signals.ts';
import type { Core } from './core.ts';
import { createFeed, type Feed } from './events/feed.ts';
import { createJobWatchers, type JobWatchers } from './events/watch.ts';

export interface CoreOptions {
  databaseUrl: string;
  /** Encrypts the keys that webhooks carry; the same for every server on one database. */
  masterKey: string;
  /** The admin's API key, if it should have one. */
  adminKey?: string | undefined;
  /** Size of the pool of database connections (10). */
  maxConnections?: number | undefined;
  /** Told of trouble that mends itself: a lost connection that is being made again. */
  onError: (error: Error) => void;
}

/** The core, open on a database, with what lives as long as the server does. */
export interface OpenCore extends Core {
  readonly feed: Feed;
  readonly watchers: JobWatchers;
  readonly signals: AgentSignals;
  /** Calls back when some server has announced a change, this one included. */
  onChange(listener: () => void): void;
  /** @throws when the database does not answer */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Brings the database up to date and opens the core on it. */
export async function openCore(options: CoreOptions): Promise<OpenCore> {
  const orm = await createOrm({
    url: options.databaseUrl,
    ...(options.maxConnections !== undefined && { maxConnections: options.maxConnections }),
  });
  try {
    return await openOn(orm, options);
  } catch (error) {
    await orm.close(true);
    throw error;
  }
}

async function openOn(orm: Orm, options: CoreOptions): Promise<OpenCore> {
  await migrate(orm, options.databaseUrl);
  const listeners = new Set<() => void>();
  const base: Core = {
    em: orm.em,
    secrets: createSecretBox(options.masterKey),
    announce: () => announcements.announce(),
  };
  const feed = createFeed(base);
  await feed.begin();
  const announcements = startAnnouncements({
    url: options.databaseUrl,
    onChange: () => listeners.forEach((listener) => listener()),
    onError: options.onError,
  });
  await ensureAdmin(base, options.adminKey);
  return {
    ...base,
    feed,
    watchers: createJobWatchers(base, feed),
    signals: createAgentSignals(feed),
    onChange: (listener) => listeners.add(listener),
    ping: async () => {
      await orm.em.fork().execute('select 1');
    },
    close: async () => {
      await announcements.stop();
      await orm.close(true);
    },
  };
}
