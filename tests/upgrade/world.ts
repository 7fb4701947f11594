import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { freePort } from '../../lib/port.ts';
import { openLink } from '../chaos/proxy.ts';
import { startProgram, type TestProgram } from '../support/program.ts';
import { startReceiver } from '../support/receiver.ts';
import { until } from '../support/until.ts';

/** However busy the machine is. */
export const PATIENCE_MS = 60_000;
export const GROUP = 'group';

export interface Server {
  port: number;
  program: TestProgram;
}

/** Servers and agents of two releases on one database, with a balancer before the servers. */
export interface World {
  directory: string;
  keys: { owner: string; agent: string };
  /** Of the balancer. */
  url: string;
  /** Where webhooks go, and what came. */
  receiver: Awaited<ReturnType<typeof startReceiver>>;
  query: <Row extends pg.QueryResultRow>(sql: string, parameters?: unknown[]) => Promise<Row[]>;
  /** Starts a server of the release in this folder, and sends everybody there as well. */
  server(release: string): Promise<Server>;
  /** Makes keys, with the release's own program. */
  provision(release: string): Promise<void>;
  /** Starts agents, and waits until they are registered. */
  agents(release: string, count: number): Promise<TestProgram[]>;
  /** Sends nobody to the one any more, ends it as a supervisor does, and waits until its agents are with the other. */
  drain(elder: Server, younger: Server): Promise<void>;
  /** Of each program that was started, for whoever wants to know what went wrong. */
  lastWords(): string[];
  close(): Promise<void>;
}

export async function openWorld(directory: string): Promise<World> {
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), durable: false });
  const database = new pg.Pool({ connectionString: postgres.url, max: 2 });
  database.on('error', () => undefined);
  const query: World['query'] = async <Row extends pg.QueryResultRow>(sql: string, parameters: unknown[] = []) =>
    (await database.query<Row>(sql, parameters)).rows;
  const receiver = await startReceiver();
  const ports: number[] = [];
  let turn = 0;
  const balancer = await openLink(() => ports[turn++ % Math.max(ports.length, 1)]);
  const url = `http://127.0.0.1:${balancer.port}`;
  const programs: Started[] = [];
  const at = { directory, url, databaseUrl: postgres.url, keys: { owner: '', agent: '' }, programs };
  return {
    ...{ directory, keys: at.keys, url, receiver, query },
    async server(release) {
      const server = await startServer(at, release);
      ports.push(server.port);
      return server;
    },
    provision: (release) => provision(at, release),
    agents: (release, count) => Promise.all(Array.from({ length: count }, () => startAgent(at, release))),
    async drain(elder, younger) {
      const connections = () => query<{ connection_id: string }>('select connection_id from agents');
      const before = new Set((await connections()).map((row) => row.connection_id));
      ports.splice(0, ports.length, younger.port);
      elder.program.signal('SIGTERM');
      let hasEnded = false;
      void elder.program.ended.then(() => (hasEnded = true));
      await until('the old server to end', () => hasEnded, PATIENCE_MS);
      const haveMoved = async () => (await connections()).every((row) => !before.has(row.connection_id));
      await until('all agents to be with the other server', haveMoved, PATIENCE_MS);
    },
    lastWords: () => programs.flatMap(({ name, program }) => [`--- ${name}`, ...program.lines.slice(-8)]),
    async close() {
      await Promise.all(programs.map(({ program }) => program.vanish()));
      await balancer.close();
      await receiver.close();
      await database.end();
      await postgres.stop('immediate');
    },
  };
}

interface Started {
  name: string;
  program: TestProgram;
}

interface Place {
  directory: string;
  url: string;
  databaseUrl: string;
  keys: World['keys'];
  programs: Started[];
}

interface Start {
  name: string;
  args: string[];
  environment: Record<string, string>;
  workingDirectory: string;
}

function start({ programs }: Place, { name, args, environment, workingDirectory }: Start): TestProgram {
  const program = startProgram(process.execPath, args, { environment, workingDirectory, patienceMs: PATIENCE_MS });
  programs.push({ name, program });
  return program;
}

async function startServer(at: Place, release: string): Promise<Server> {
  const port = await freePort();
  const program = start(at, {
    name: `server ${port}`,
    args: [join(release, 'server/main.ts')],
    environment: { ...serverEnvironment(at), KELPIE_PORT: String(port) },
    workingDirectory: release,
  });
  await program.line((text) => text.includes('"msg":"Listening"'));
  return { port, program };
}

function serverEnvironment({ databaseUrl }: Place): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    DATABASE_URL: databaseUrl,
    KELPIE_MASTER_KEY: 'only of this upgrade',
    KELPIE_WEBHOOK_ALLOW: '127.0.0.0/8',
  };
}

async function provision(at: Place, release: string): Promise<void> {
  for (const [name, role] of [
    ['owner', 'OWNER'],
    ['agent', 'AGENT'],
  ] as const) {
    const args = [join(release, 'server/admin.ts'), 'create-key', '--account', 'me', '--role', role];
    const options = { cwd: release, env: serverEnvironment(at), encoding: 'utf8' } as const;
    at.keys[name] = execFileSync(process.execPath, args, options).trim();
  }
}

async function startAgent(at: Place, release: string): Promise<TestProgram> {
  const name = `machine-${at.programs.length}`;
  const workingDirectory = join(at.directory, name);
  mkdirSync(workingDirectory);
  const program = start(at, {
    ...{ name, args: [join(release, 'agent/main.ts')], workingDirectory },
    environment: {
      PATH: process.env['PATH'] ?? '',
      TMPDIR: workingDirectory,
      KELPIE_API_URL: at.url,
      KELPIE_API_KEY: at.keys.agent,
      SALAD_MACHINE_ID: name,
      SALAD_CONTAINER_GROUP_ID: GROUP,
      SALAD_METADATA_URL: 'none',
    },
  });
  await program.line((text) => text.includes('"Registered"'));
  return program;
}
