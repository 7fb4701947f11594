import { openCore, type CoreOptions, type OpenCore } from '../core/open.ts';
import type { Provider } from '../core/scaling/provider.ts';
import { messageOf } from '../lib/errors.ts';
import { lastWords, survivePipesWithoutReader } from '../lib/output.ts';
import { isAborted } from '../lib/pause.ts';
import { demandNoWords } from '../lib/program-words.ts';
import { createApp } from './app.ts';
import type { SaladChecks } from './auth.ts';
import { readConfig, type Config } from './config.ts';
import { openDatabaseUnless, whenThere } from './database.ts';
import { createLog, type Logger } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { serveMetrics } from './metrics-server.ts';
import { openProvider } from './provider.ts';
import { createRates } from './rate.ts';
import { createProjectCheck } from './salad/project.ts';
import { createTokenCheck } from './salad/token.ts';
import { openTraces } from './traces.ts';
import { warnOfWeakKeys } from './weak-keys.ts';

/** A terminal and npm may both hand on the same Ctrl-C: what follows so soon is no second wish. */
const SAME_SIGNAL_MS = 500;

/** Machines that are made here, in place of those that the settings name. */
export interface OwnMachines {
  provider: Provider;
  /** Called before anything is asked of the provider. */
  opened(core: OpenCore): Promise<void>;
  /** Ends them, while the server still answers them. */
  close(): Promise<void>;
}

const USAGE = `Usage: npm start, or node server/main.ts

Runs the server until SIGTERM or Ctrl-C. Its settings are variables of the environment, all in docs/configuration.md; the first ones:

  KELPIE_PORT         port to listen on (4000); 0 takes a free one
  KELPIE_HOST         address to listen on (127.0.0.1)
  DATABASE_URL        a PostgreSQL; without it, an embedded one in KELPIE_DATA_DIR (.kelpie)
  KELPIE_MASTER_KEY   needed with DATABASE_URL, the same on all servers

  --version           says which version this is
  --help              says this
`;

if (import.meta.main) {
  demandNoWords(USAGE);
  await runProgram();
}

/** The server as a program: by its environment, until it is told to stop. Ends the process, with 2 when it can't start. */
export async function runProgram(makeMachines?: (config: Config) => OwnMachines): Promise<void> {
  survivePipesWithoutReader();
  let code = 0;
  try {
    const config = readConfig();
    await main(config, makeMachines?.(config));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    code = 2;
  }
  await lastWords();
  // A connection whose other side is silent must not keep this process.
  process.exit(code);
}

/** Runs the server until SIGTERM or SIGINT. A second signal ends it at once. */
async function main(config: Config, machines: OwnMachines | undefined): Promise<void> {
  const log = createLog(config.KELPIE_LOG_LEVEL);
  warnOfWeakKeys(config, log);
  const { signal, stopping } = stopSignal();
  await using ending = new AsyncDisposableStack();
  const database = await openDatabaseUnless(stopping, config, log);
  if (database === undefined) return;
  ending.defer(() => database.close());
  const traces = await openTraces(config, log);
  ending.defer(() => traces.stop());
  const options: CoreOptions = {
    ...coreOptions(config),
    databaseUrl: database.url,
    directUrl: config.KELPIE_DATABASE_DIRECT_URL,
    masterKey: database.masterKey,
    traces,
    provider: machines === undefined ? await openProvider(config) : machines.provider,
    onError: (error) => log.warn({ err: error }, 'Something failed, and is tried again'),
  };
  const core = await whenThere(() => openCore(options), log, stopping);
  if (core === undefined) return;
  ending.defer(() => core.close());
  // No agent shall come to a server that goes at once.
  if (isAborted(stopping)) return;
  await machines?.opened(core);
  const metrics = config.KELPIE_METRICS_PORT === undefined ? undefined : createMetrics(core, log);
  const app = createApp({
    core,
    log,
    metrics,
    salad: saladChecks(config),
    rates: createRates({
      perKey: config.KELPIE_RATE_PER_KEY,
      refusalsPerAddress: config.KELPIE_REFUSALS_PER_ADDRESS,
    }),
    trustedProxies: config.KELPIE_TRUSTED_PROXIES,
    limits: config,
    introspection: config.KELPIE_INTROSPECTION,
    graphiql: config.KELPIE_GRAPHIQL,
  });
  const { KELPIE_HOST: host, KELPIE_PORT: port } = config;
  const url = await listening(app.start({ host, port }), 'KELPIE_PORT');
  ending.defer(() => app.stop());
  ending.defer(async () => machines?.close());
  ending.defer(await openMetrics(config, metrics, log));
  log.info({ url, graphql: `${url}/graphql`, docs: `${url}/docs` }, 'Listening');

  log.info({ signal: await signal }, 'Stopping');
  await ending.disposeAsync();
  log.info('Stopped');
}

/** What the settings say of the core. */
function coreOptions(config: Config): Omit<CoreOptions, 'databaseUrl' | 'masterKey' | 'onError'> {
  return {
    oldMasterKeys: config.KELPIE_MASTER_KEYS_OLD,
    adminKey: config.KELPIE_ADMIN_KEY,
    reconnectGraceSeconds: config.KELPIE_RECONNECT_GRACE,
    logBytes: config.KELPIE_LOG_BYTES,
    keepDays: {
      jobs: config.KELPIE_KEEP_JOBS_DAYS,
      events: config.KELPIE_KEEP_EVENTS_DAYS,
      logs: config.KELPIE_KEEP_LOGS_DAYS,
      deliveries: config.KELPIE_KEEP_DELIVERIES_DAYS,
    },
    webhookAllowed: config.KELPIE_WEBHOOK_ALLOW,
    agentRetentionDays: config.KELPIE_AGENT_RETENTION_DAYS,
    maxConnections: config.KELPIE_DATABASE_CONNECTIONS,
  };
}

/** @returns what ends it */
async function openMetrics(config: Config, metrics: Metrics | undefined, log: Logger): Promise<() => Promise<void>> {
  const { KELPIE_METRICS_PORT: port, KELPIE_METRICS_HOST: host, KELPIE_METRICS_TOKEN: token } = config;
  if (metrics === undefined || port === undefined) return async () => undefined;
  const server = await listening(serveMetrics(metrics, log, { host, port, token }), 'KELPIE_METRICS_PORT');
  log.info({ url: server.url }, 'Metrics');
  if (token === undefined && !isLoopback(host)) {
    log.warn(
      { url: server.url },
      'Whoever reaches this may read the groups of all accounts: KELPIE_METRICS_TOKEN is not set',
    );
  }
  return () => server.stop();
}

/** Says what to do about a port that is not to be had, by the variable that names it. */
async function listening<Result>(starting: Promise<Result>, variable: string): Promise<Result> {
  try {
    return await starting;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE') {
      throw new Error(`${messageOf(error)}: end the program that listens there, or choose another port by ${variable}`);
    }
    if (code !== 'EACCES') throw error;
    throw new Error(`${messageOf(error)}: choose a port above 1023 by ${variable}`);
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function saladChecks(config: Config): SaladChecks {
  const { KELPIE_SALAD_API_URL: apiUrl, KELPIE_SALAD_JWKS_URL: jwksUrl } = config;
  const expected = { issuer: config.KELPIE_SALAD_TOKEN_ISSUER, audience: config.KELPIE_SALAD_TOKEN_AUDIENCE };
  return {
    project: apiUrl === undefined ? undefined : createProjectCheck({ apiUrl }),
    token: jwksUrl === undefined ? undefined : createTokenCheck({ jwksUrl, ...expected }),
  };
}

/** Listens from now on: a process that is the first of a container is not ended by a signal that it does not listen to. */
function stopSignal(): { signal: Promise<string>; stopping: AbortSignal } {
  const stopping = new AbortController();
  const signal = new Promise<string>((resolve) => {
    let first: number | undefined;
    const stop = (signal: string): void => {
      first ??= performance.now();
      resolve(signal);
      stopping.abort();
      if (performance.now() - first > SAME_SIGNAL_MS) process.exit(1);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
  return { signal, stopping: stopping.signal };
}
