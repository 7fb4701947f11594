import { CONNECTIONS, createOrm, demandLimits, type Orm } from '../db/orm.ts';
import { migrate } from '../db/migrate.ts';
import { startAnnouncements, type Topic } from '../db/listen.ts';
import { createPing } from '../db/ping.ts';
import { atMost } from '../lib/pause.ts';
import { createKeyLookup } from './accounts/key-lookup.ts';
import { createKeyWatch, type KeyWatch } from './accounts/key-watch.ts';
import { ensureAdmin } from './accounts/keys.ts';
import { demandMasterKey } from './accounts/master-key.ts';
import { createSecretBox } from './accounts/secret-box.ts';
import { SEEN_EVERY_SECONDS } from './agents/alive.ts';
import { createAgentLookup } from './agents/agent-lookup.ts';
import { createNewcomers, type NewcomersOptions } from './agents/newcomers.ts';
import { connected, disconnected } from './agents/presence.ts';
import { createAgentSignals, type AgentSignals } from './agents/signals.ts';
import type { Core } from './core.ts';
import { createAccountFeed, type AccountFeed } from './events/account-feed.ts';
import { createFeed, type Feed } from './events/feed.ts';
import { createNeighbours } from './events/neighbours.ts';
import { createNextEvents, type NextEvents } from './events/next-events.ts';
import { createJobWatchers, type JobWatchers } from './events/watch.ts';
import { createTurns } from './fair-share.ts';
import { createGroupWatchers, type GroupWatchers } from './groups/watch.ts';
import { createSearches } from './jobs/searches.ts';
import { createAlone } from './leases/alone.ts';
import { createLeaseTurns } from './leases/lease-turns.ts';
import { createNewsPace, type NewsPaceOptions } from './leases/news-pace.ts';
import { createRenewals } from './leases/renewal.ts';
import { createReports } from './leases/reports.ts';
import { createAppends } from './logs/appending.ts';
import { createLogFollowers, type LogFollowers } from './logs/follow.ts';
import { KEEP_DAYS, type KeepDays } from './retention/prune.ts';
import { createGroupChecks } from './scaling/checks.ts';
import type { Provider } from './scaling/provider.ts';
import { createJobTraces, type TraceParts } from './traces/job-traces.ts';
import type { AllowedRange } from './webhooks/guard.ts';

export interface CoreOptions {
  databaseUrl: string;
  /** Of the database itself, where a pooler of transactions stands at `databaseUrl`: for what lives as long as its connection. */
  directUrl?: string | undefined;
  /** Encrypts the keys that webhooks carry; the same for every server on one database. */
  masterKey: string;
  /** Master keys under which something may be sealed still. */
  oldMasterKeys?: readonly string[] | undefined;
  /** The admin's API key, if it should have one. */
  adminKey?: string | undefined;
  /** Size of the pool of database connections (10). */
  maxConnections?: number | undefined;
  /** How long an agent whose connection is gone may take to come back, in seconds (5). */
  reconnectGraceSeconds?: number | undefined;
  /** How many bytes of an attempt's log are kept (1 MiB): half of them its beginning, half its end. */
  logBytes?: number | undefined;
  /** Ranges of addresses to which webhooks may go although they are not public; none. */
  webhookAllowed?: readonly AllowedRange[] | undefined;
  /** For how many days an agent of which nothing is heard is known (7). */
  agentRetentionDays?: number | undefined;
  /** How many agents that are new an account may bring: 25,000 in five minutes. */
  newcomers?: NewcomersOptions | undefined;
  /** How often what is new of an attempt becomes an event: once a second. */
  news?: NewsPaceOptions | undefined;
  /** How long one statement of those who ask waits for its turn, in milliseconds; by default as `createTurns` has it. */
  turnPatienceMs?: number | undefined;
  /** For how many days what is over is kept; 90 for jobs, 30 for their events, logs and webhooks. */
  keepDays?: KeepDays | undefined;
  /** Who has the machines, when container groups are to be scaled; nobody. */
  provider?: Provider | undefined;
  /** Who writes traces of jobs, and whose traces are joined; nobody, and nobody’s. */
  traces?: TraceParts | undefined;
  /** Told of trouble that mends itself: a lost connection that is being made again. */
  onError: (error: Error) => void;
}

/** The core, open on a database, with what lives as long as the server does. */
export interface OpenCore extends Core {
  readonly feed: Feed;
  readonly watchers: JobWatchers;
  readonly nextEvents: NextEvents;
  readonly groupWatchers: GroupWatchers;
  readonly accountFeed: AccountFeed;
  readonly keyWatch: KeyWatch;
  readonly logFollowers: LogFollowers;
  readonly signals: AgentSignals;
  readonly reconnectGraceSeconds: number;
  readonly webhookAllowed: readonly AllowedRange[];
  readonly agentRetentionDays: number;
  readonly keepDays: KeepDays;
  /** Calls back when some server has announced a change of this kind, this one included. */
  onChange(topic: Topic, listener: () => void): void;
  /** The pool of connections as it is: how many there are, how many of those rest, and how many callers wait for one. */
  pool(): { total: number; idle: number; waiting: number };
  /**
   * Asks on a connection of its own, so that a pool that is busy is not taken for a database that is away.
   * @throws when the database does not answer within some seconds
   */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const RECONNECT_GRACE_SECONDS = 5;
/** How long the end of the connections to the database is waited for. */
const CLOSE_MS = 3_000;
const LOG_BYTES = 1024 * 1024;
const AGENT_RETENTION_DAYS = 7;

/** Brings the database up to date and opens the core on it. What was opened before a fault is closed again. */
export async function openCore(options: CoreOptions): Promise<OpenCore> {
  await migrate(options.directUrl ?? options.databaseUrl, { onHeldUp: options.onError });
  const pooled = options.directUrl !== undefined;
  const { maxConnections = CONNECTIONS } = options;
  const orm = await createOrm({
    url: options.databaseUrl,
    pooled,
    maxConnections,
    turns: createTurns(maxConnections, { patienceMs: options.turnPatienceMs }),
  });
  try {
    if (pooled) await demandLimits(orm.em.fork());
    return await openOn(orm, options);
  } catch (error) {
    await orm.close(true);
    throw error;
  }
}

/** What every flow of the core stands on, on an open database. */
function createBase(orm: Orm, options: CoreOptions, announce: Core['announce']): Core {
  const alone = createAlone(options.maxConnections);
  return {
    em: orm.em,
    secrets: createSecretBox(options.masterKey, options.oldMasterKeys),
    logBytes: options.logBytes ?? LOG_BYTES,
    provider: options.provider,
    groupChecks: options.provider && createGroupChecks(options.provider),
    traces: createJobTraces(options.traces, options.onError),
    searches: createSearches(options.maxConnections === undefined ? {} : { connections: options.maxConnections }),
    keyByHash: createKeyLookup(orm),
    agentById: createAgentLookup(orm),
    renew: createRenewals(orm, alone, { seen_every_seconds: SEEN_EVERY_SECONDS }),
    report: createReports(orm, alone),
    append: createAppends(orm, alone),
    heartbeatTurns: createLeaseTurns(),
    neighbours: createNeighbours(orm, { onError: options.onError }),
    newcomers: createNewcomers(options.newcomers),
    newsPace: createNewsPace(options.news),
    announce,
  };
}

async function openOn(orm: Orm, options: CoreOptions): Promise<OpenCore> {
  const grace = options.reconnectGraceSeconds ?? RECONNECT_GRACE_SECONDS;
  const listeners: Record<Topic, Set<() => void>> = { jobs: new Set(), logs: new Set(), keys: new Set() };
  const base = createBase(orm, options, (topic) => announcements.announce(topic));
  const feed = createFeed(base);
  const keyWatch = createKeyWatch(base);
  await feed.begin();
  await demandMasterKey(base);
  await ensureAdmin(base, options.adminKey);
  const pool = await orm.driver.getConnection().getNativeClient();
  // Last, because these keep connections of their own.
  const ping = createPing(options.databaseUrl);
  const announcements = startAnnouncements({
    url: options.directUrl ?? options.databaseUrl,
    onChange: (topic) => listeners[topic].forEach((listener) => listener()),
    onError: options.onError,
  });
  return {
    ...base,
    feed,
    keyWatch,
    watchers: createJobWatchers(base, feed, options.onError),
    nextEvents: createNextEvents(base),
    groupWatchers: createGroupWatchers(base, feed, keyWatch),
    accountFeed: createAccountFeed(base, feed, keyWatch),
    logFollowers: createLogFollowers(base, feed, keyWatch),
    signals: createAgentSignals(feed, {
      connected: (agent, number) => connected(base, agent, number),
      disconnected: (agent, connectionId) => disconnected(base, agent, connectionId, grace).catch(options.onError),
    }),
    reconnectGraceSeconds: grace,
    agentRetentionDays: options.agentRetentionDays ?? AGENT_RETENTION_DAYS,
    onChange: (topic, listener) => void listeners[topic].add(listener),
    webhookAllowed: options.webhookAllowed ?? [],
    keepDays: options.keepDays ?? KEEP_DAYS,
    pool: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    ping: () => ping.ask(),
    close: async () => {
      await Promise.all([announcements.stop(), ping.close()]);
      // A connection whose other side is silent is never closed politely.
      await atMost(CLOSE_MS, orm.close(true));
    },
  };
}
