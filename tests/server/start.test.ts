import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { MIGRATION_LOCK } from '../../db/migrate.ts';
import { listenLocally } from '../../lib/port.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { VERSION } from '../../lib/version.ts';
import { openLink } from '../chaos/proxy.ts';
import { MASTER_KEY } from '../support/core.ts';
import { createDatabase } from '../support/database.ts';
import { processesMarked, startProgram } from '../support/program.ts';
import { until } from '../support/until.ts';

const SERVER = join(import.meta.dirname, '../../server/main.ts');
const database = await createDatabase({ empty: true });
const direct = new URL(database.url);
/** The line between the server and its database, which is not there yet. */
let whenConnected = (): void => undefined;
const line = await openLink(() => {
  whenConnected();
  return Number(direct.port);
});
line.set({ is: 'CUT' });
const through = new URL(database.url);
through.port = String(line.port);

afterAll(async () => {
  await line.close();
  await database.drop();
});

/** Ended with its test, whatever comes of that: it would wait for its database for ever. */
function startServer(databaseUrl: string, environment: Record<string, string> = {}) {
  const server = startProgram(process.execPath, [SERVER], {
    environment: { DATABASE_URL: databaseUrl, KELPIE_MASTER_KEY: MASTER_KEY, KELPIE_PORT: '0', ...environment },
    workingDirectory: import.meta.dirname,
    patienceMs: PATIENCE_MS,
  });
  onTestFinished(() => server.vanish());
  return server;
}

/** Who waits for an advisory lock of this database. */
const WAITING = `select from pg_locks where locktype = 'advisory' and not granted
  and database = (select oid from pg_database where datname = current_database())`;
/** The test's own time is somewhat more. */
const PATIENCE_MS = 50_000;

const isWaiting = (text: string) => text.includes('does not answer yet');

describe('a server that is started before its database', { timeout: 60_000 }, () => {
  test('ends when it is told to while it waits', async () => {
    const server = startServer(through.href);
    await server.line(isWaiting);
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
  });

  test('ends when it is told to while a database that says nothing has its connection', async () => {
    const connected = new Promise<void>((resolve) => (whenConnected = resolve));
    line.set({ is: 'HELD' });
    onTestFinished(() => line.set({ is: 'CUT' }));
    const server = startServer(through.href);
    await connected;
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
  });

  test('ends when it is told to while another one migrates', async () => {
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    onTestFinished(() => other.end());
    await other.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const server = startServer(database.url);
    await until(
      'the server to wait for the lock',
      async () => ((await other.query(WAITING)).rowCount ?? 0) > 0,
      PATIENCE_MS,
    );
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
    expect(server.lines.join('\n')).not.toContain('Listening');
  });

  test('ends when it is told to while it starts its own, and leaves none behind', async () => {
    const directory = await makeTemporaryDirectory('kelpie-start-');
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const server = startServer('', { KELPIE_DATA_DIR: directory, KELPIE_LOG_LEVEL: 'debug' });
    await until('the directory of the database to be made', () => readdirSync(directory).length > 0, PATIENCE_MS);
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
    expect(processesMarked(directory)).toEqual([]);
  });

  test('waits for it, makes its tables, and serves', async () => {
    const server = startServer(through.href);
    await server.line(isWaiting);
    line.set({ is: 'OPEN' });
    const { url } = JSON.parse(await server.line((text) => text.includes('Listening'))) as { url: string };
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(server.lines.join('\n')).not.toContain(`:${through.password}@`);
    expect(server.lines.filter((text) => text.includes('KELPIE_MASTER_KEY could be guessed'))).toHaveLength(1);
    expect(server.lines.join('\n')).not.toContain(MASTER_KEY);
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
  });

  test('does not wait for one that refuses it', async () => {
    const absent = new URL(database.url);
    absent.pathname = '/there-is-none';
    const server = startServer(absent.href);
    expect(await server.ended).toEqual({ code: 2, signal: null });
    expect(server.lines.join('\n')).toContain('there-is-none');
  });
});

describe('the words of the server', { timeout: 60_000 }, () => {
  const started = async (...args: string[]) => {
    const program = startProgram(process.execPath, [SERVER, ...args], {
      environment: {},
      workingDirectory: import.meta.dirname,
    });
    onTestFinished(() => program.vanish());
    const { code } = await program.ended;
    return { code, text: program.lines.join('\n') };
  };

  test('answer who asks what it is, and start nothing', async () => {
    const [help, version] = await Promise.all([started('--help'), started('--version')]);
    expect(help).toEqual({ code: 0, text: expect.stringMatching(/^Usage: .*KELPIE_PORT.*DATABASE_URL/s) as string });
    expect(version).toEqual({ code: 0, text: VERSION });
  });

  test('are refused where they mean nothing, before anything is started', async () => {
    const [word, flag] = await Promise.all([started('serve'), started('--port', '80')]);
    expect(word).toEqual({ code: 2, text: expect.stringMatching(/^Unexpected argument 'serve'\n/) as string });
    expect(flag).toEqual({ code: 2, text: expect.stringMatching(/^Unknown option '--port'\n/) as string });
  });

  test('name the setting of a port that another program has', async () => {
    const other = createServer();
    const port = await listenLocally(other);
    onTestFinished(() => void other.close());
    const server = startServer(database.url, { KELPIE_PORT: String(port) });
    expect(await server.ended).toMatchObject({ code: 2 });
    expect(server.lines.at(-1)).toMatch(/EADDRINUSE.*choose another port by KELPIE_PORT/);
  });
});
