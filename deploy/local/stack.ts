import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { authenticate, createKey, ensureAccount } from '../../core/accounts/keys.ts';
import { openCore } from '../../core/open.ts';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { freePort } from '../../lib/port.ts';
import { isRegistered, spawnAgent } from './agent.ts';
import { startProgram, type Program } from './program.ts';
import { startS3 } from './s3.ts';

/** What documents and examples call a user's bucket: they can be tried here as they stand. */
export const BUCKET = 'my-bucket';
/** The variable by which `server.ts` here is told where its agents are to be, as JSON. */
export const MACHINES = 'KELPIE_LOCAL_MACHINES';

/** Everything that Kelpie is made of, running on this machine: what the demo and `npm run dev` stand on. */
export interface Stack {
  url: string;
  s3Url: string;
  /** An owner's key, for people and programs. */
  key: string;
  agentKey: string;
  agents: Program[];
  /** Each part and how long it took to come up, in milliseconds. */
  stages: { name: string; ms: number }[];
  stop(): Promise<void>;
}

export interface StackOptions {
  /** Database, keys, agents' working directories. */
  directory: string;
  agents: number;
  /** Lets scaling rules start further agents, on any container group; at most so many. None without. */
  room?: number;
  /** Ports that are wanted; the next free one is taken when one is not. */
  ports: { server: number; s3: number };
  onStage?: (name: string, ms: number) => void;
  /** Aborted, the start ends what it has begun, and throws. */
  signal?: AbortSignal;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let end = stops.pop(); end !== undefined; end = stops.pop()) await end();
  };
  const stages: Stack['stages'] = [];
  const stage = async <Part>(name: string, start: () => Promise<Part>): Promise<Part> => {
    options.signal?.throwIfAborted();
    const began = performance.now();
    const part = await start();
    const ms = Math.round(performance.now() - began);
    stages.push({ name, ms });
    options.onStage?.(name, ms);
    return part;
  };
  try {
    await mkdir(options.directory, { recursive: true });
    const postgres = await stage('PostgreSQL (embedded)', () =>
      startEmbeddedPostgres({ dataDirectory: join(options.directory, 'postgres') }),
    );
    stops.push(() => postgres.stop());
    const s3 = await stage('S3 store (embedded)', () => startS3({ port: options.ports.s3, buckets: [BUCKET] }));
    stops.push(() => s3.stop());
    const keys = await stage('schema and keys', () => provision(options.directory, postgres.url));
    // Known as soon as they are spawned: a start that is given up in the middle ends them too.
    const programs: { server?: Program; agents: Program[] } = { agents: [] };
    stops.push(async () => programs.server?.stop());
    // Told all at once: each may take a while to flush what its job has written.
    stops.push(async () => {
      await Promise.all(programs.agents.map((agent) => agent.stop()));
    });
    const at = { databaseUrl: postgres.url, s3Url: s3.url };
    const url = await stage('server', () => startServer(keys, at, options, (server) => (programs.server = server)));
    const startAgents = async () => {
      for (let number = 1; number <= options.agents; number++) {
        programs.agents.push(await spawnAgent(`machine-${number}`, { url, s3Url: s3.url, key: keys.agent }, options));
      }
      await Promise.all(programs.agents.map((agent) => agent.line(isRegistered, options.signal)));
    };
    if (options.agents > 0) await stage(`${options.agents} agents`, startAgents);
    return { url, s3Url: s3.url, key: keys.owner, agentKey: keys.agent, agents: programs.agents, stages, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Keys {
  masterKey: string;
  owner: string;
  agent: string;
}

/** Makes the schema, the account `local` and its keys; a directory that has been used before keeps its keys. */
async function provision(directory: string, databaseUrl: string): Promise<Keys> {
  const path = join(directory, 'keys.json');
  const keys = await readFile(path, 'utf8').then(
    (text) => JSON.parse(text) as Keys,
    () => ({ masterKey: secret(), owner: `kelpie_${secret()}`, agent: `kelpie_${secret()}` }),
  );
  await writeFile(path, JSON.stringify(keys), { mode: 0o600 });
  const core = await openCore({ databaseUrl, masterKey: keys.masterKey, onError: () => undefined });
  try {
    const account = await ensureAccount(core, 'local');
    if ((await authenticate(core, keys.owner)) === undefined) {
      await createKey(core, { accountId: account.id, role: 'OWNER', secret: keys.owner, name: 'yours' });
      await createKey(core, { accountId: account.id, role: 'AGENT', secret: keys.agent, name: 'of the agents' });
    }
  } finally {
    await core.close();
  }
  return keys;
}

function secret(): string {
  return randomBytes(24).toString('base64url');
}

/** On the port that is wanted or the next free one. Returns where it listens. */
async function startServer(
  keys: Keys,
  at: { databaseUrl: string; s3Url: string },
  options: StackOptions,
  onSpawn: (server: Program) => void,
): Promise<string> {
  for (let wanted = options.ports.server; ; wanted += 1) {
    wanted = await freePort(wanted);
    const server = spawnServer(keys, { ...at, port: wanted }, options);
    onSpawn(server);
    try {
      const line = await server.line((text) => text.includes('"msg":"Listening"'), options.signal);
      return (JSON.parse(line) as { url: string }).url;
    } catch (error) {
      // It was free when it was looked at, and somebody took it while the server started.
      if (!String(error).includes('EADDRINUSE')) throw error;
    }
  }
}

function spawnServer(
  keys: Keys,
  at: { databaseUrl: string; s3Url: string; port: number },
  { directory, room }: StackOptions,
): Program {
  const machines = { directory: join(directory, 'machines'), s3Url: at.s3Url, key: keys.agent, room };
  return startProgram('server', [room === undefined ? 'server/main.ts' : 'deploy/local/server.ts'], {
    log: join(directory, 'server.log'),
    environment: {
      ...(room === undefined ? {} : { [MACHINES]: JSON.stringify(machines) }),
      DATABASE_URL: at.databaseUrl,
      KELPIE_MASTER_KEY: keys.masterKey,
      // Whoever tries it out listens on this machine.
      KELPIE_WEBHOOK_ALLOW: '127.0.0.0/8,::1/128',
      KELPIE_PORT: String(at.port),
    },
  });
}
