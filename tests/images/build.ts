import { execFile } from 'node:child_process';
import { cp, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/errors.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';

const run = promisify(execFile);

/** The machine can't give what it takes to build and run images: nothing that our own files could be blamed for. */
export class NotHereError extends Error {}

const MAX_OUTPUT = 2 ** 26;

/** Debian as it comes from its archive, without Node. */
const DEBIAN = 'localhost/kelpie-test/debian:trixie';
/** What stands in the place of the official image of Node, which only a registry has. */
export const NODE = 'localhost/kelpie-test/node:24';

/** Without an init system, a network bridge or delegated cgroups: all that a container of ours needs is there without them. */
const AS_HERE = ['--runtime', 'runc', '--cgroup-manager=cgroupfs'];

/** One command of podman. @throws Error with what it said, without its arguments, among which are keys */
export async function podman(
  args: readonly string[],
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<string> {
  try {
    const { stdout } = await run('podman', [...AS_HERE, ...args], {
      maxBuffer: MAX_OUTPUT,
      timeout: options.timeoutMs ?? 60_000,
      ...(options.signal !== undefined && { signal: options.signal }),
    });
    return stdout.trim();
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : messageOf(error);
    throw new Error(`podman ${args[0]}: ${said.trim().slice(-4_000)}`, { cause: error });
  }
}

/** Of this very process: podman asks for more than a container inside a container may have. */
export async function limitsAsHere(): Promise<string[]> {
  const { stdout } = await run('sh', ['-c', 'ulimit -Hn']);
  const files = stdout.trim();
  return [`--ulimit=nofile=${files}:${files}`, '--ulimit=nproc=1024:1024'];
}

/** @throws NotHereError when a tool is missing, or podman can't work at all */
export async function demandTools(): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new NotHereError('it takes Linux, and root');
  for (const tool of ['podman', 'runc', 'debootstrap']) {
    const found = await run('sh', ['-c', `command -v ${tool}`]).catch(() => undefined);
    if (found === undefined) throw new NotHereError(`${tool} is not installed`);
  }
  await here('podman does not work', podman(['info']));
}

/**
 * Makes the base image, unless an earlier run has: Debian by debootstrap, and this very Node with its npm.
 * @throws NotHereError when there is no mirror of Debian, no container can be run, or npm's registry can't be reached out of one
 */
export async function ensureBase(signal: AbortSignal): Promise<void> {
  if (!(await exists(DEBIAN))) await here('Debian can’t be had', importDebian(signal));
  if (!(await exists(NODE))) await here('podman can’t build', importNode(signal));
  const bare = ['run', '--rm', '--network=host', ...(await limitsAsHere())];
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
async function here(what: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new NotHereError(`${what}: ${messageOf(error)}`, { cause: error });
  }
}

async function importNode(signal: AbortSignal): Promise<void> {
  const directory = await makeTemporaryDirectory('kelpie-node-');
  try {
    await cp(process.execPath, join(directory, 'node'));
    const { stdout } = await run('sh', ['-c', 'command -v npm']);
    const program = await realpath(stdout.trim());
    await cp(dirname(dirname(program)), join(directory, 'npm'), { recursive: true });
    await writeFile(join(directory, 'Containerfile'), NODE_IMAGE);
    await podman(['build', '--isolation=chroot', '--tag', NODE, directory], { timeoutMs: 120_000, signal });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const NODE_IMAGE = `FROM ${DEBIAN}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && node --version && npm --version
`;

async function exists(image: string): Promise<boolean> {
  return podman(['image', 'exists', image]).then(
    () => true,
    () => false,
  );
}

async function importDebian(signal: AbortSignal): Promise<void> {
  const directory = await makeTemporaryDirectory('kelpie-debian-');
  try {
    const root = join(directory, 'root');
    await mkdir(root);
    await run('debootstrap', ['--variant=minbase', 'trixie', root], {
      ...{ timeout: 300_000, maxBuffer: MAX_OUTPUT, signal },
    });
    await run('tar', ['-C', root, '-cf', join(directory, 'root.tar'), '.'], { timeout: 60_000, signal });
    await podman(['import', join(directory, 'root.tar'), DEBIAN], { signal });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Builds a target of the repository's Dockerfile. What npm needs on this machine is lent to the build, and stays out of the image. */
export async function buildImage(target: string, tag: string, signal: AbortSignal): Promise<void> {
  const { registry, authorities } = await lent();
  await podman(
    [
      // Docker's format: the other one has no health check.
      ...['build', '--isolation=chroot', '--network=host', '--format', 'docker', '--build-arg', `NODE_IMAGE=${NODE}`],
      ...['--build-arg', `npm_config_registry=${registry}`],
      ...(authorities === undefined ? [] : authoritiesIn('--build-arg', authorities)),
      ...['--target', target, '--tag', tag, dirname(dirname(import.meta.dirname))],
    ],
    { timeoutMs: 600_000, signal },
  );
}

/** What npm needs on this machine: its registry, and whose certificates to trust besides. */
async function lent(): Promise<{ registry: string; authorities: string | undefined }> {
  const { stdout } = await run('npm', ['config', 'get', 'registry']);
  return { registry: stdout.trim(), authorities: process.env.NODE_EXTRA_CA_CERTS };
}

function authoritiesIn(option: '--env' | '--build-arg', authorities: string): string[] {
  const mounted = '/run/authorities.pem';
  return ['--volume', `${authorities}:${mounted}:ro`, option, `NODE_EXTRA_CA_CERTS=${mounted}`];
}
