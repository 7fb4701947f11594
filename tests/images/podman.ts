import { execFile } from 'node:child_process';
import { cp, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/errors.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';

const run = promisify(execFile);
const MAX_OUTPUT = 2 ** 26;

/** Debian as it comes from its archive, without Node. */
const DEBIAN = 'localhost/kelpie-test/debian:trixie';
/** What stands in the place of the official image of Node, which only a registry has. */
export const NODE = 'localhost/kelpie-test/node:24';

/** Without an init system, a network bridge or delegated cgroups: all that a container of ours needs is there without them. */
const AS_HERE = ['--runtime', 'runc', '--cgroup-manager=cgroupfs'];

/** One command of podman. @throws Error with what it said, without its arguments, among which are keys */
export async function podman(args: readonly string[], options: { timeoutMs?: number } = {}): Promise<string> {
  try {
    const { stdout } = await run('podman', [...AS_HERE, ...args], {
      maxBuffer: MAX_OUTPUT,
      timeout: options.timeoutMs ?? 60_000,
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

/** @returns why images can't be built and run here; undefined when they can */
export async function missing(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it takes Linux, and root';
  for (const tool of ['podman', 'runc', 'debootstrap']) {
    const found = await run('sh', ['-c', `command -v ${tool}`]).catch(() => undefined);
    if (found === undefined) return `${tool} is not installed`;
  }
  return undefined;
}

/** Makes the base image, unless an earlier run has: Debian by debootstrap, and this very Node with its npm. */
export async function ensureBase(): Promise<void> {
  if (await exists(NODE)) return;
  if (!(await exists(DEBIAN))) await importDebian();
  const directory = await makeTemporaryDirectory('kelpie-node-');
  try {
    await cp(process.execPath, join(directory, 'node'));
    const { stdout } = await run('sh', ['-c', 'command -v npm']);
    const program = await realpath(stdout.trim());
    await cp(dirname(dirname(program)), join(directory, 'npm'), { recursive: true });
    await writeFile(join(directory, 'Containerfile'), NODE_IMAGE);
    await podman(['build', '--isolation=chroot', '--tag', NODE, directory], { timeoutMs: 120_000 });
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

async function importDebian(): Promise<void> {
  const directory = await makeTemporaryDirectory('kelpie-debian-');
  try {
    const root = join(directory, 'root');
    await mkdir(root);
    await run('debootstrap', ['--variant=minbase', 'trixie', root], { timeout: 300_000, maxBuffer: MAX_OUTPUT });
    await run('tar', ['-C', root, '-cf', join(directory, 'root.tar'), '.'], { timeout: 60_000 });
    await podman(['import', join(directory, 'root.tar'), DEBIAN]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Builds a target of the repository's Dockerfile. What npm needs on this machine is lent to the build, and stays out of the image. */
export async function buildImage(target: string, tag: string): Promise<void> {
  const { stdout: registry } = await run('npm', ['config', 'get', 'registry']);
  const authorities = process.env.NODE_EXTRA_CA_CERTS;
  const lent = [
    ...['--build-arg', `npm_config_registry=${registry.trim()}`],
    ...(authorities === undefined
      ? []
      : [
          '--volume',
          `${authorities}:/run/authorities.pem:ro`,
          '--build-arg',
          'NODE_EXTRA_CA_CERTS=/run/authorities.pem',
        ]),
  ];
  await podman(
    [
      // Docker's format: the other one has no health check.
      ...['build', '--isolation=chroot', '--network=host', '--format', 'docker', '--build-arg', `NODE_IMAGE=${NODE}`],
      ...lent,
      ...['--target', target, '--tag', tag, dirname(dirname(import.meta.dirname))],
    ],
    { timeoutMs: 600_000 },
  );
}
