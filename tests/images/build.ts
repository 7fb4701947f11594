import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { buildExecutable } from '../../deploy/agent/executable.ts';
import { messageOf } from '../../lib/errors.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { ensureDebian, hasImage, LIMITS, ofThisRun, podman, whyNoContainers } from '../support/podman.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');

/** The machine can't give what it takes to build and run images: nothing that our own files could be blamed for. */
export class NotHereError extends Error {}

/** What stands in the place of the official image of Node, which only a registry has. */
export const NODE = 'localhost/kelpie-test/node:24';

/** @throws NotHereError when a tool is missing, or podman can't work at all */
export async function demandTools(): Promise<void> {
  const why = whyNoContainers();
  if (why !== undefined) throw new NotHereError(why);
  await here('podman does not work', podman(['info']));
}

/**
 * Makes the base image, unless an earlier run has: Debian by debootstrap, and this very Node with its npm.
 * @throws NotHereError when there is no mirror of Debian, no container can be run, or npm's registry can't be reached out of one
 */
export async function ensureBase(signal: AbortSignal): Promise<void> {
  const debian = await here('Debian can’t be had', ensureDebian('trixie', signal));
  if (!(await hasImage(NODE))) await here('podman can’t build', importNode(debian, signal));
  const bare = ['run', '--rm', '--network=host', ...LIMITS];
  await here('podman can’t run a container', podman([...bare, NODE, 'node', '--version'], { signal }));
  const { registry, authorities } = await lent();
  const environment = [
    '--env',
    `npm_config_registry=${registry}`,
    ...(authorities === undefined ? [] : authoritiesIn('--env', authorities)),
  ];
  const asked = podman([...bare, ...environment, NODE, 'npm', 'view', 'graphql', 'version'], { signal });
  await here('npm’s registry can’t be reached out of a container', asked);
}

/** What fails is the machine's own. An abort is not: that is for whoever has aborted. */
async function here<Result>(what: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw new NotHereError(`${what}: ${messageOf(error)}`, { cause: error });
  }
}

async function importNode(debian: string, signal: AbortSignal): Promise<void> {
  const directory = await makeTemporaryDirectory('kelpie-node-');
  try {
    await cp(process.execPath, join(directory, 'node'));
    const { stdout } = await run('sh', ['-c', 'command -v npm']);
    const program = await realpath(stdout.trim());
    await cp(dirname(dirname(program)), join(directory, 'npm'), { recursive: true });
    await writeFile(join(directory, 'Containerfile'), `FROM ${debian}\n${NODE_ON_IT}`);
    await podman(['build', '--isolation=chroot', '--tag', NODE, directory], { timeoutMs: 120_000, signal });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const NODE_ON_IT = `COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && node --version && npm --version
`;

/** Builds a target of the repository's Dockerfile. What npm needs on this machine is lent to the build, and stays out of the image. */
export async function buildImage(target: string, tag: string, signal: AbortSignal): Promise<void> {
  const { registry, authorities } = await lent();
  await podman(
    [
      // Docker's format: the other one has no health check.
      ...['build', '--isolation=chroot', '--network=host', '--format', 'docker', '--build-arg', `NODE_IMAGE=${NODE}`],
      ...['--build-arg', `npm_config_registry=${registry}`],
      ...(authorities === undefined ? [] : authoritiesIn('--build-arg', authorities)),
      ...['--target', target, '--tag', tag, ROOT],
    ],
    { timeoutMs: 600_000, signal },
  );
}

/** Builds agent/Dockerfile, with the executable at dist/kelpie, on the smallest Debian in the place of the official one. */
export async function buildOwnAgent(tag: string, signal: AbortSignal): Promise<void> {
  await buildExecutable(join(ROOT, 'dist'));
  const base = await ensureDebian('trixie', signal);
  const file = join(ROOT, 'agent/Dockerfile');
  const words = ['build', '--isolation=chroot', '--network=host', '--from', base, '--file', file, '--tag', tag, ROOT];
  await podman(words, { timeoutMs: 300_000, signal });
  const version = await podman([
    'run',
    '--rm',
    '--network=none',
    ...ofThisRun(),
    ...LIMITS,
    tag,
    '/kelpie',
    '--version',
  ]);
  const { version: expected } = manifest.parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')));
  if (!version.includes(expected)) throw new Error(`Expected an agent of version ${expected}, got ${version}`);
}

const manifest = z.object({ version: z.string() });

/** Whom Debian believes. */
const SYSTEM_AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';

/** What npm needs on this machine: its registry, and whose certificates to trust besides, wherever that is set. */
async function lent(): Promise<{ registry: string; authorities: string | undefined }> {
  const authorities =
    process.env.NODE_EXTRA_CA_CERTS ??
    (await npmSetting('cafile')) ??
    process.env.SSL_CERT_FILE ??
    (existsSync(SYSTEM_AUTHORITIES) ? SYSTEM_AUTHORITIES : undefined);
  return { registry: (await npmSetting('registry')) ?? '', authorities };
}

/** undefined where it is not set, which npm calls null. */
async function npmSetting(name: string): Promise<string | undefined> {
  const value = (await run('npm', ['config', 'get', name])).stdout.trim();
  return value === '' || value === 'null' ? undefined : value;
}

function authoritiesIn(option: '--env' | '--build-arg', authorities: string): string[] {
  const mounted = '/run/authorities.pem';
  return ['--volume', `${authorities}:${mounted}:ro`, option, `NODE_EXTRA_CA_CERTS=${mounted}`];
}
