import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/errors.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';

const run = promisify(execFile);

const TOOLS = ['podman', 'runc', 'debootstrap', 'tar'];
/** Where Debian has some of them, which a PATH may not name. */
const SBIN = ['/usr/sbin', '/sbin'];
const MAX_OUTPUT = 2 ** 26;
const COMMAND_MS = 60_000;
const DEBOOTSTRAP_MS = 300_000;

/** Without an init system, a network bridge or delegated cgroups: all that a container of ours needs is there without them. */
export const AS_HERE: readonly string[] = ['--runtime', 'runc', '--cgroup-manager=cgroupfs'];
/** Podman asks for more than a container inside a container may have. */
export const LIMITS: readonly string[] = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024'];

/** Why there can be no containers here; nothing where there can. */
export function whyNoContainers(): string | undefined {
  if (process.platform !== 'linux') return 'containers are Linux’s';
  if (process.getuid?.() !== 0) return 'only root can make the images';
  const folders = (process.env.PATH ?? '').split(':').concat(SBIN);
  const missing = TOOLS.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
  return missing.length === 0 ? undefined : `missing: ${missing.join(', ')}`;
}

/** Further words for `podman run` and its like, by which containers and volumes of one run of a command are known. What a command starts inherits its run. */
export function ofThisRun(): string[] {
  process.env.KELPIE_TEST_RUN ??= randomUUID();
  return ['--label', `kelpie-test-run=${process.env.KELPIE_TEST_RUN}`];
}

/** Of this run, whether they still run or not, with its volumes. */
export async function removeContainers(): Promise<void> {
  if (whyNoContainers() !== undefined) return;
  const [, label = ''] = ofThisRun();
  const known = async (...list: string[]): Promise<string[]> =>
    (await podman([...list, '--quiet', '--filter', `label=${label}`])).split('\n').filter((id) => id !== '');
  const containers = await known('ps', '--all');
  if (containers.length > 0) await podman(['rm', '--force', '--ignore', '--volumes', '--time', '0', ...containers]);
  const volumes = await known('volume', 'ls');
  if (volumes.length > 0) await podman(['volume', 'rm', '--force', ...volumes]);
}

/**
 * Whether what needs containers has failed where there can be none, instead of being skipped.
 * @throws Error when KELPIE_TEST_CONTAINERS says anything else: a slip would hide every skip
 */
export function areContainersDemanded(): boolean {
  const { KELPIE_TEST_CONTAINERS: said = '' } = process.env;
  if (said !== '' && said !== 'demanded') {
    throw new Error(`Expected KELPIE_TEST_CONTAINERS to be demanded, or not set; got ${said}`);
  }
  return said === 'demanded';
}

/**
 * Whether a test can be, for one that needs root as containers do: it is skipped where this says no.
 * @param what is needed, in a word
 * @throws Error where there is not that, and what needs it is demanded
 */
export function canOrMust(can: boolean, what: string): boolean {
  if (!can && areContainersDemanded())
    throw new Error(`Expected ${what}, which KELPIE_TEST_CONTAINERS demands; got none`);
  return can;
}

/**
 * One command of podman.
 * @param options.timeoutMs when it is given up (60,000)
 * @returns what it printed
 * @throws Error with what it said, without its arguments, among which are keys
 */
export async function podman(
  args: readonly string[],
  options: { timeoutMs?: number; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  try {
    const { stdout } = await run('podman', [...AS_HERE, ...args], {
      maxBuffer: MAX_OUTPUT,
      timeout: options.timeoutMs ?? COMMAND_MS,
      ...(options.signal !== undefined && { signal: options.signal }),
    });
    return stdout.trim();
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : messageOf(error);
    throw new Error(`podman ${args[0]}: ${said.trim().slice(-4_000)}`, { cause: error });
  }
}

export async function hasImage(image: string): Promise<boolean> {
  return podman(['image', 'exists', image]).then(
    () => true,
    () => false,
  );
}

/**
 * An image with nothing but Debian's smallest root; made once, and kept.
 * @returns its name
 * @throws when no mirror has it, or podman can't take it
 */
export async function ensureDebian(suite: string, signal?: AbortSignal): Promise<string> {
  const image = `localhost/kelpie-test/debian:${suite}`;
  if (!(await hasImage(image))) await makeDebian(suite, image, signal);
  return image;
}

async function makeDebian(suite: string, image: string, signal: AbortSignal | undefined): Promise<void> {
  const directory = await makeTemporaryDirectory('kelpie-debian-');
  const aborted = signal === undefined ? {} : { signal };
  try {
    const root = join(directory, 'root');
    await mkdir(root);
    const mirror = await mirrorOfThisMachine();
    const words = ['--variant=minbase', suite, root, ...(mirror === undefined ? [] : [mirror])];
    await run('debootstrap', words, { timeout: DEBOOTSTRAP_MS, maxBuffer: MAX_OUTPUT, ...aborted });
    const archive = join(directory, 'root.tar');
    const without = ['--exclude=./var/cache/apt', '--exclude=./var/lib/apt/lists'];
    await run('tar', ['-C', root, ...without, '-cf', archive, '.'], { timeout: COMMAND_MS, ...aborted });
    await podman(['import', '--quiet', archive, image], { signal });
  } finally {
    await rm(directory, { recursive: true, force: true });
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
