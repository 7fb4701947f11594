import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { constants, existsSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { childEnvironment, type Cluster } from './cluster.ts';

export interface Server {
  pid: number;
  port: number;
}

export interface ServerSettings {
  port: number;
  durable: boolean;
  maxConnections: number;
}

export type StopMode = 'fast' | 'immediate';
export type Launch = { ok: true; server: Server } | { ok: false; log: string };

const READY_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 20_000;
const LOG_LINES_SHOWN = 20;

export function urlOf(cluster: Cluster, port: number): string {
  return `postgres://postgres:${cluster.password}@127.0.0.1:${port}/postgres`;
}

/** The server that runs on the cluster, whoever started it. A lock file that a dead server has left is cleared away. */
export function findServer({ data }: Cluster): Server | undefined {
  const lockFile = join(data, 'postmaster.pid');
  if (!existsSync(lockFile)) return undefined;
  const [pid, , , port] = readFileSync(lockFile, 'utf8').split('\n').map(Number);
  // Its writer is still at it; PostgreSQL itself judges such a file.
  if (pid === undefined || port === undefined || pid <= 0 || port <= 0) return undefined;
  if (isServerOf(data, pid)) return { pid, port };
  // PostgreSQL takes any living process of this number for a server and would refuse to start.
  rmSync(lockFile, { force: true });
  return undefined;
}

/**
 * Starts a server, and waits until it answers or has ended; then `log` is what it said last.
 * Throws an Error when neither happens within a minute, or somebody else answers on the port.
 */
export async function launch(cluster: Cluster, settings: ServerSettings): Promise<Launch> {
  const { child, pid, logStart } = await spawnServer(cluster, settings);
  const server = { pid, port: settings.port };
  try {
    if (await answers(cluster, server, () => child.exitCode === null && child.signalCode === null)) {
      return { ok: true, server };
    }
  } catch (error) {
    child.kill('SIGQUIT');
    throw error;
  }
  const said = (await readFile(cluster.logFile)).subarray(logStart).toString('utf8').trimEnd();
  return { ok: false, log: said.split('\n').slice(-LOG_LINES_SHOWN).join('\n') };
}

/**
 * Waits until the server answers to our password: true, or false when it has ended before.
 * Throws an Error when it refuses us, or neither happens within a minute.
 */
export async function answers(
  cluster: Cluster,
  server: Server,
  isUp = () => isServerOf(cluster.data, server.pid),
): Promise<boolean> {
  const giveUpAt = performance.now() + READY_WITHIN_MS;
  for (let wait = 5; isUp(); wait = Math.min(wait * 2, 100)) {
    if (await canConnect(urlOf(cluster, server.port))) return true;
    if (performance.now() > giveUpAt) {
      throw new Error(
        `PostgreSQL (pid ${server.pid}) did not answer on port ${server.port} within ${READY_WITHIN_MS / 1000} s; ` +
          `see ${cluster.logFile}`,
      );
    }
    await pause(wait);
  }
  return false;
}

/** Ends the server and waits until it has. One that hangs on `fast` is ended as by a crash, which it recovers from. */
export async function stopServer(cluster: Cluster, server: Server, mode: StopMode): Promise<void> {
  const modes: StopMode[] = mode === 'fast' ? ['fast', 'immediate'] : ['immediate'];
  for (const each of modes) {
    if (!isServerOf(cluster.data, server.pid)) return;
    process.kill(server.pid, each === 'fast' ? 'SIGINT' : 'SIGQUIT');
    const giveUpAt = performance.now() + STOPPED_WITHIN_MS;
    while (isServerOf(cluster.data, server.pid) && performance.now() < giveUpAt) await pause(5);
  }
  if (isServerOf(cluster.data, server.pid)) {
    throw new Error(`PostgreSQL (pid ${server.pid}) does not stop; see ${cluster.logFile}`);
  }
}

interface Spawned {
  child: ChildProcess;
  pid: number;
  /** Where in the log file this server's part begins, in bytes. */
  logStart: number;
}

async function spawnServer(cluster: Cluster, settings: ServerSettings): Promise<Spawned> {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
  const log = await open(cluster.logFile, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, 0o600);
  try {
    if (cluster.owner !== undefined) await log.chown(cluster.owner.uid, cluster.owner.gid);
    const { size: logStart } = await log.stat();
    const child = spawn(cluster.postgres, flags(cluster, settings), {
      cwd: cluster.data,
      env: childEnvironment(),
      stdio: ['ignore', log.fd, log.fd],
      // Its own process group: a terminal's Ctrl-C is for us, and we stop the server in good order.
      detached: true,
      ...cluster.owner,
    });
    child.unref();
    const pid = await new Promise<number>((resolve, reject) => {
      child.on('error', (cause) => reject(new Error(`PostgreSQL could not be run: ${cause.message}`, { cause })));
      child.once('spawn', () => resolve(child.pid ?? 0));
    });
    return { child, pid, logStart };
  } finally {
    await log.close();
  }
}

function flags({ data }: Cluster, { port, durable, maxConnections }: ServerSettings): string[] {
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: maxConnections,
    log_checkpoints: 'off',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/** A postgres whose working directory is the data directory: PostgreSQL goes there before it does anything else. */
function isServerOf(data: string, pid: number): boolean {
  try {
    if (!existsSync('/proc/self')) {
      return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).includes(data);
    }
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    return name === 'postgres' && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data);
  } catch {
    return false;
  }
}

/** Not listening yet, hung up on, still starting, or on its way down. */
const NOT_NOW = new Set(['ECONNREFUSED', 'ECONNRESET', '57P03', '57P01']);

async function canConnect(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, ssl: false, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    // Without a code: the connection ended, or timed out, before the server said anything.
    if (code === undefined || NOT_NOW.has(code)) return false;
    throw new Error(`PostgreSQL at ${new URL(url).host} refuses us: ${String(error)}`, { cause: error });
  } finally {
    await client.end();
  }
}
