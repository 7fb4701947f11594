import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { startS3 } from '../../deploy/local/s3.ts';
import { freePort, listenLocally } from '../../lib/port.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { CERTIFICATE, CERTIFICATE_KEY } from '../agent/sync/support/certificate.ts';
import { follow, type FollowedJob } from '../support/follow.ts';
import { couple, openProxy, type Proxy } from '../support/proxy.ts';
import { type Container, remove, startContainer } from './container.ts';

export const BUCKET = 'kelpie';
const ROOT = join(import.meta.dirname, '../..');

/** Everything that an agent in a container needs outside of it. The server is in a container itself. */
export interface World {
  /** A folder of this machine, for what is mounted. */
  folder: string;
  /** The server and the store behind `https`, by a certificate that only the file `authority` vouches for. */
  secureUrl: string;
  secureStoreUrl: string;
  authority: string;
  proxy: Proxy;
  /** One to which the connection is encrypted, too, by the same certificate. */
  secureProxy: Proxy;
  /** An agent, as process 1, unless `command` says otherwise. It is removed with the world. */
  agent(options: AgentOptions): Container;
  submit(job: Record<string, unknown>): Promise<FollowedJob>;
  /** The text of an object; undefined where there is none. */
  object(key: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

export interface AgentOptions {
  image: string;
  /** Its container group. */
  group: string;
  machine?: string;
  command?: readonly string[];
  environment?: Readonly<Record<string, string>>;
  flags?: readonly string[];
}

/** `image` is what the server runs in, with this repository and its Node mounted. */
export async function startWorld(image: string, executable: string): Promise<World> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (let end = stops.pop(); end !== undefined; end = stops.pop()) await end();
  };
  try {
    return { ...(await assemble(image, executable, stops)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assemble(
  image: string,
  executable: string,
  stops: (() => Promise<unknown>)[],
): Promise<Omit<World, 'stop'>> {
  const folder = await makeTemporaryDirectory('kelpie-containers-');
  stops.push(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(folder, 'postgres'), durable: false });
  stops.push(() => postgres.stop('immediate'));
  const s3 = await startS3({ buckets: [BUCKET] });
  stops.push(() => s3.stop());
  const containers: Container[] = [];
  stops.push(() => Promise.all(containers.map(remove)));
  const adminKey = randomBytes(24).toString('base64url');
  const server = await serverContainer(image, postgres.url, adminKey);
  containers.push(server);
  const { url } = z.object({ url: z.string() }).parse(JSON.parse(await server.line(isListening)));
  const keys = await makeKeys(asking(url, adminKey));
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { 'X-Kelpie-Key': keys.owner },
  });
  stops.push(async () => client.dispose());
  const [encryption, storeEncryption] = await Promise.all([encrypt(url), encrypt(s3.url)]);
  const [proxy, secureProxy] = await Promise.all([openProxy(), openProxy({ cert: CERTIFICATE, key: CERTIFICATE_KEY })]);
  stops.push(() => Promise.all([encryption, storeEncryption, proxy, secureProxy].map((each) => each.close())));
  const authority = join(folder, 'authority.pem');
  await writeFile(authority, CERTIFICATE);
  return {
    ...{ folder, secureUrl: encryption.url, secureStoreUrl: storeEncryption.url, authority, proxy, secureProxy },
    agent({ group, machine = 'machine', environment = {}, flags = [], command = ['/kelpie'], image: own }) {
      const agent = startContainer({
        ...{ image: own, command },
        environment: { ...agentEnvironment({ url, s3Url: s3.url, key: keys.agent, group, machine }), ...environment },
        flags: ['--volume', `${executable}:/kelpie:ro`, ...flags],
      });
      containers.push(agent);
      return agent;
    },
    async submit(job) {
      const { id } = z.object({ id: z.string() }).parse(await asking(url, keys.owner)('/jobs', job));
      return follow(client, id);
    },
    async object(key) {
      const response = await fetch(`${s3.url}/${BUCKET}/${key}`);
      return response.ok ? await response.text() : undefined;
    },
  };
}

async function serverContainer(image: string, databaseUrl: string, adminKey: string): Promise<Container> {
  return startContainer({
    image,
    command: ['/repository/node_modules/node/bin/node', '/repository/server/main.ts'],
    environment: {
      DATABASE_URL: databaseUrl,
      KELPIE_MASTER_KEY: randomBytes(24).toString('base64url'),
      KELPIE_ADMIN_KEY: adminKey,
      KELPIE_PORT: String(await freePort(4100)),
    },
    flags: ['--volume', `${ROOT}:/repository:ro`, '--workdir', '/tmp'],
  });
}

function isListening(line: string): boolean {
  return line.includes('"msg":"Listening"');
}

/** POST with JSON, as whoever has the key. */
function asking(url: string, key: string) {
  return async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'X-Kelpie-Key': key, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  };
}

async function makeKeys(ask: ReturnType<typeof asking>): Promise<{ owner: string; agent: string }> {
  const { id } = z.object({ id: z.string() }).parse(await ask('/users', { username: 'containers' }));
  const key = async (role: string) => {
    const names = { org_name: 'organization', project_name: 'project', role };
    return z.object({ token: z.string() }).parse(await ask(`/users/${id}/token`, names)).token;
  };
  return { owner: await key('OWNER'), agent: await key('AGENT') };
}

interface Place {
  url: string;
  s3Url: string;
  key: string;
  group: string;
  machine: string;
}

function agentEnvironment({ url, s3Url, key, group, machine }: Place): Record<string, string> {
  return {
    KELPIE_API_URL: url,
    KELPIE_API_KEY: key,
    KELPIE_LOG_LEVEL: 'debug',
    SALAD_MACHINE_ID: machine,
    SALAD_CONTAINER_GROUP_ID: group,
    SALAD_METADATA_URL: 'none',
    AWS_ENDPOINT_URL: s3Url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  };
}

/** TLS before who listens at the address on this machine, and speaks none itself. */
async function encrypt(address: string): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ cert: CERTIFICATE, key: CERTIFICATE_KEY }, (near) => {
    const far = connect(Number(new URL(address).port), '127.0.0.1');
    for (const socket of [near, far]) sockets.add(socket.on('close', () => sockets.delete(socket)));
    couple(near, far);
  });
  const port = await listenLocally(server);
  return {
    url: `https://localhost:${port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A folder of this machine that any user of a container may write to. */
export async function openFolder(world: World, name: string): Promise<string> {
  const path = join(world.folder, name);
  await mkdir(path);
  // Whatever this process masks.
  await chmod(path, 0o777);
  return path;
}
