import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../../lib/port.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import type { Pooler } from './core.ts';

/** Where Debian has it, which an ordinary user's PATH may not name. */
const SBIN = '/usr/sbin';
/** Nobody in particular: it refuses to run as root. */
const NOBODY = 65_534;

/** As docs/operations.md has it. */
const CONNECT_QUERY =
  'set lock_timeout = 3000; set statement_timeout = 15000; set idle_in_transaction_session_timeout = 10000; set jit = off';

export interface PgBouncer extends Pooler {
  stop(): Promise<void>;
}

/** The program, or undefined where the machine has none. */
export function findPgBouncer(): string | undefined {
  const places = [...(process.env.PATH ?? '').split(delimiter), SBIN].map((folder) => join(folder, 'pgbouncer'));
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * A real PgBouncer in transaction mode before every database of one PostgreSQL, with fewer connections than its clients have: whoever
 * relies on a connection of its own meets what others have left there.
 */
export async function startPgBouncer(
  program: string,
  postgresUrl: string,
  { connectQuery = CONNECT_QUERY }: { connectQuery?: string } = {},
): Promise<PgBouncer> {
  const directory = await makeTemporaryDirectory('kelpie-pgbouncer-');
  await chmod(directory, 0o755);
  const { hostname, port: postgresPort, username, password } = new URL(postgresUrl);
  const port = await freePort();
  const to = `host=${hostname} port=${postgresPort} user=${username} password=${decodeURIComponent(password)}`;
  const settings = [
    '[databases]',
    `* = ${to}${connectQuery === '' ? '' : ` connect_query='${connectQuery}'`}`,
    '[pgbouncer]',
    ...['listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =', 'auth_type = any'],
    ...['pool_mode = transaction', 'default_pool_size = 3', 'max_client_conn = 200'],
  ];
  const file = join(directory, 'pgbouncer.ini');
  await writeFile(file, settings.join('\n'));
  const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const child = spawn(program, [file], { stdio: ['ignore', 'ignore', 'pipe'], ...asNobody });
  const ended = once(child, 'exit');
  const lines: string[] = [];
  const ready = Promise.withResolvers<undefined>();
  createInterface(child.stderr).on('line', (line) => {
    lines.push(line);
    if (line.includes('process up')) ready.resolve(undefined);
  });
  void ended.then(() => ready.reject(new Error(`PgBouncer did not come up:\n${lines.join('\n')}`)));
  await ready.promise;
  return {
    before(url) {
      const pooled = new URL(url);
      pooled.hostname = '127.0.0.1';
      pooled.port = String(port);
      return pooled.href;
    },
    async stop() {
      child.kill('SIGQUIT');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
