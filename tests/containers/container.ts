import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { startProgram, type TestProgram } from '../support/program.ts';

/** A container that runs, or has run: its output is that of the program. */
export interface Container extends TestProgram {
  name: string;
  /** To its process 1, as `docker kill` does. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** What a command in it prints. */
  run(...command: string[]): Promise<string>;
}

export interface ContainerOptions {
  image: string;
  command: readonly string[];
  environment?: Readonly<Record<string, string>>;
  /** Further words for `podman run`. */
  flags?: readonly string[];
}

const run = promisify(execFile);

const TOOLS = ['podman', 'runc', 'debootstrap', 'tar'];
/** Works without systemd, and without a registry. */
const GLOBAL = ['--runtime', 'runc', '--cgroup-manager=cgroupfs'];
const LIMITS = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];
/** A start is quick, but on a busy machine nothing is. */
const PATIENCE_MS = 60_000;

/** Why there can be no containers here; nothing where there can. */
export function whyNoContainers(): string | undefined {
  if (process.platform !== 'linux') return 'containers are Linux’s';
  if (process.getuid?.() !== 0) return 'only root can make the images';
  const folders = (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/sbin');
  const missing = TOOLS.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
  return missing.length === 0 ? undefined : `missing: ${missing.join(', ')}`;
}

/** The name of an image with nothing but Debian's smallest root; made once, and kept. Throws when the mirror does not have it. */
export async function ensureBase(suite: string): Promise<string> {
  const image = `localhost/kelpie-test/debian:${suite}`;
  const isThere = await podman('image', 'exists', image).then(
    () => true,
    () => false,
  );
  if (!isThere) await makeBase(suite, image);
  return image;
}

async function makeBase(suite: string, image: string): Promise<void> {
  const folder = await makeTemporaryDirectory('kelpie-root-');
  const root = join(folder, suite);
  try {
    const mirror = await mirrorOfThisMachine();
    const options = { maxBuffer: 64 * 1024 * 1024 };
    await run('debootstrap', ['--variant=minbase', suite, root, ...(mirror === undefined ? [] : [mirror])], options);
    const tar = spawn('tar', ['-C', root, '--exclude=./var/cache/apt', '--exclude=./var/lib/apt/lists', '-c', '.'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const taken = spawn('podman', [...GLOBAL, 'import', '--quiet', '-', image], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const ended = once(taken, 'close');
    await pipeline(tar.stdout, taken.stdin);
    await ended;
    if (taken.exitCode !== 0) throw new Error(`podman import ended with ${taken.exitCode} for ${suite}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where its own packages come from; nothing where it is no Debian: then debootstrap's default will do. */
async function mirrorOfThisMachine(): Promise<string | undefined> {
  const folder = '/etc/apt/sources.list.d';
  const files = (await readdir(folder).catch(() => [])).filter((name) => /\.(?:list|sources)$/.test(name));
  for (const file of ['/etc/apt/sources.list', ...files.map((name) => join(folder, name))]) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const found = /^(?:URIs:|deb(?: \[[^\]]*\])?) +(https?:\S+\/debian)\/?(?:\s|$)/m.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Starts a container on the network of this machine. It is removed when its process 1 has ended. */
export function startContainer(options: ContainerOptions): Container {
  const name = `kelpie-test-${randomUUID()}`;
  const variables = Object.entries(options.environment ?? {}).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
  const words = ['--rm', '--network=host', '--name', name, ...LIMITS, ...variables, ...(options.flags ?? [])];
  const program = startProgram('podman', [...GLOBAL, 'run', ...words, options.image, ...options.command], {
    environment: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/root' },
    workingDirectory: '/',
    patienceMs: PATIENCE_MS,
  });
  return {
    ...program,
    name,
    async kill(signal) {
      await podman('kill', '--signal', signal, name);
    },
    run: async (...command) => (await podman('exec', name, ...command)).stdout,
  };
}

/** Ends it, if it runs. */
export async function remove({ name, ended }: Container): Promise<void> {
  await podman('rm', '--force', '--ignore', '--time', '0', name);
  await ended;
}

function podman(...words: string[]) {
  return run('podman', [...GLOBAL, ...words], { maxBuffer: 64 * 1024 * 1024 });
}
