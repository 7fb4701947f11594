import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { authenticate, createKey, ensureAccount } from '../../core/accounts/keys.ts';
import { openCore } from '../../core/open.ts';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { freePort } from '../../lib/port.ts';
import { startProgram, type Program } from './program.ts';
import { startS3 } from './s3.ts';

export const BUCKET = 'kelpie';
export const GROUP = 'local';

/** Everything that Kelpie is made of, running on this machine: what the demo and `npm run dev` stand on. */
export interface Stack {
  url: string;
  s3Url: string;
  /** An owner's key, for people and programs. */
  key: string;
  agents: Program[];
  /** Each part and how long it took to come up, in milliseconds. */
  stages: { name: string; ms: number }[];
  stop(): Promise<void>;
}

export interface StackOptions {
  /** Database, keys, agents' working directories. */
  directory: string;
  agents: number;
  /** Ports that are wanted; the next free one is taken when one is not. */
  ports: { server: number; s3: number };
  onStage?: (name: string, ms: number) => void;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let end = stops.pop(); end !== undefined; end = stops.pop()) await end();
  };
  const stages: Stack['stages'] = [];
  const stage = async <Part>(name: string, start: () => Promise<Part>): Promise<Part> => {
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
    const server = await stage('server', () => startServer(postgres.url, keys.masterKey, options));
    stops.push(() => server.program.stop());
    const agents = await stage(`${options.agents} agents`, () =>
      startAgents({
        url: server.url,
        s3Url: s3.url,
        key: keys.agent,
        directory: options.directory,
        count: options.agents,
      }),
    );
    // Told all at once: each may take a while to flush what its job has written.
    stops.push(async () => {
      await Promise.all(agents.map((agent) => agent.stop()));
    });
    return { url: server.url, s3Url: s3.url, key: keys.owner, agents, stages, stop };
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
      await createKey(core, { accountId: account.id, role: 'OWNER', secret: keys.owner });
      await createKey(core, { accountId: account.id, role: 'AGENT', secret: keys.agent });
    }
  } finally {
    await core.close();
  }
  return keys;
}

function secret(): string {
  return randomBytes(24).toString('base64url');
}

async function startServer(databaseUrl: string, masterKey: string, options: StackOptions) {
  const program = startProgram('server', ['server/main.ts'], {
    log: join(options.directory, 'server.log'),
    environment: {
      DATABASE_URL: databaseUrl,
      KELPIE_MASTER_KEY: masterKey,
      KELPIE_PORT: String(await freePort(options.ports.server)),
    },
  });
  const line = await program.line((text) => text.includes('"msg":"Listening"'));
  const { url } = JSON.parse(line) as { url: string };
  return { program, url };
}

async function startAgents(parts: { url: string; s3Url: string; key: string; directory: string; count: number }) {
  const names = Array.from({ length: parts.count }, (_, index) => `machine-${index + 1}`);
  return Promise.all(
    names.map(async (name) => {
      const workingDirectory = join(parts.directory, name);
      await mkdir(workingDirectory, { recursive: true });
      const program = startProgram(name, ['agent/main.ts'], {
        log: join(parts.directory, `${name}.log`),
        workingDirectory,
        environment: {
          KELPIE_API_URL: parts.url,
          KELPIE_API_KEY: parts.key,
          SALAD_MACHINE_ID: name,
          SALAD_CONTAINER_GROUP_ID: GROUP,
          AWS_ENDPOINT_URL: parts.s3Url,
          AWS_ACCESS_KEY_ID: 'local',
          AWS_SECRET_ACCESS_KEY: 'local',
          AWS_REGION: 'us-east-1',
          KELPIE_LOG_LEVEL: 'debug',
        },
      });
      await program.line((text) => text.includes('Registered'));
      return program;
    }),
  );
}
