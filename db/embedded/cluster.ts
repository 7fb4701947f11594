import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Binaries } from './binaries.ts';
import type { Owner } from './place.ts';
import { isAlive, newTicket } from './users.ts';

/** A database on disk that a server can be started on. */
export interface Cluster {
  /** What PostgreSQL calls its data directory. */
  data: string;
  password: string;
  logFile: string;
  postgres: string;
  owner: Owner | undefined;
}

export interface ClusterOptions {
  dataDirectory: string;
  binaries: Binaries;
  owner: Owner | undefined;
  durable: boolean;
}

/**
 * Opens the cluster in the data directory, or makes one: `cluster/data`, and beside it `cluster/password`, which only its
 * owner may read. Throws an Error when there is one of another major version, or this user may not read it.
 */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const { dataDirectory, binaries, owner } = options;
  const home = join(dataDirectory, 'cluster');
  const data = join(home, 'data');
  if ((await versionOf(data)) === undefined) await createCluster(home, options);
  const version = await versionOf(data);
  if (version !== binaries.major) {
    throw new Error(
      `expected a PostgreSQL ${binaries.major} cluster in ${data}, found version ${version ?? 'none'}: ` +
        `move ${dataDirectory} away, or carry its contents over with pg_dump of its own version`,
    );
  }
  const password = await readFile(join(home, 'password'), 'utf8');
  return { data, password, logFile: join(dataDirectory, 'server.log'), postgres: binaries.postgres, owner };
}

/** What PostgreSQL's programs see: all that we see, but one language and one time zone on every machine. */
export function childEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
}

async function versionOf(data: string): Promise<string | undefined> {
  try {
    return (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new Error(`expected to be able to read ${data}; was it made by another user?`, { cause: error });
  }
}

/** Made beside and renamed when complete, so a half-made cluster is never mistaken for one, and of two makers one wins. */
async function createCluster(home: string, { dataDirectory, binaries, owner, durable }: ClusterOptions): Promise<void> {
  await removeAbandoned(dataDirectory);
  const draft = join(dataDirectory, `new-${newTicket()}`);
  const passwordFile = join(draft, 'password');
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (owner !== undefined) {
    for (const path of [draft, passwordFile]) await chown(path, owner.uid, owner.gid);
  }
  try {
    await initialise(binaries.initdb, draft, owner, durable);
    await rename(draft, home);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if ((await versionOf(join(home, 'data'))) === undefined) throw error;
  }
}

async function removeAbandoned(dataDirectory: string): Promise<void> {
  for (const name of await readdir(dataDirectory)) {
    const abandoned = name.startsWith('new-') && !isAlive(name.slice('new-'.length));
    if (abandoned) await rm(join(dataDirectory, name), { recursive: true, force: true });
  }
}

async function initialise(initdb: string, draft: string, owner: Owner | undefined, durable: boolean): Promise<void> {
  const flags = [
    `--pgdata=${join(draft, 'data')}`,
    `--pwfile=${join(draft, 'password')}`,
    '--username=postgres',
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // PostgreSQL's own C.UTF-8 sorts alike everywhere; the operating system's may be missing.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ];
  try {
    await promisify(execFile)(initdb, flags, { cwd: draft, env: childEnvironment(), ...owner });
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    throw new Error(`initdb could not make a PostgreSQL cluster in ${draft}:\n${said}`, { cause: error });
  }
}
