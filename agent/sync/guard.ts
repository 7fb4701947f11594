import { lstat, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { sep } from 'node:path';

/** Keeps sync from emptying, or moving, a directory that the machine needs, or one that a link now leads to. */
export interface Guard {
  /** Remembers where the local paths lead, before a command can make them lead elsewhere. */
  remember(): Promise<void>;
  /** Where a local path led when it was remembered; the path itself before. */
  realOf(root: string): string;
  /** Why the contents of this local path must stay; `missing` where there is none, undefined where they may go. */
  reasonToKeep(root: string): Promise<string | undefined>;
}

/** `keep`: paths that nothing may be removed from, besides those of the agent itself and of the system. */
export function createGuard(roots: readonly string[], keep: readonly string[]): Guard {
  const originals = new Map<string, string>();
  return {
    async remember() {
      for (const root of roots) originals.set(root, await realOrSame(root));
    },
    realOf: (root) => originals.get(root) ?? root,
    async reasonToKeep(root) {
      const kept = await Promise.all([...keep, ...OWN_PATHS].map(realOrSame));
      return reasonToKeep(root, kept, originals.get(root));
    },
  };
}

export function isOrHolds(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}

const OWN_PATHS = [
  ...known(() => process.cwd()),
  ...known(homedir),
  process.execPath,
  process.argv[1] ?? process.execPath,
];

/** A user without an entry in passwd has no home, and the working directory may be gone: Node says so by throwing. */
function known(path: () => string): string[] {
  try {
    return [path()];
  } catch {
    return [];
  }
}

/** Directories that a machine shares among all its programs: never emptied, though what lies in them may be. */
const SYSTEM_DIRECTORIES = [
  ...['/dev', '/dev/shm', '/home', '/media', '/mnt', '/opt', '/root', '/run', '/srv', '/tmp', '/usr', '/var'],
  ...['/usr/games', '/usr/include', '/usr/local', '/usr/share', '/usr/src'],
  ...['/var/cache', '/var/lib', '/var/log', '/var/run', '/var/spool', '/var/tmp'],
];

/** Nothing in these is a job's data. */
const SYSTEM_TREES = [
  ...['/bin', '/boot', '/etc', '/lib', '/lib32', '/lib64', '/proc', '/sbin', '/sys'],
  ...[
    '/usr/bin',
    '/usr/lib',
    '/usr/lib32',
    '/usr/lib64',
    '/usr/libexec',
    '/usr/sbin',
    '/usr/local/bin',
    '/usr/local/lib',
  ],
];

async function reasonToKeep(
  root: string,
  kept: readonly string[],
  original: string | undefined,
): Promise<string | undefined> {
  const stats = await lstat(root).catch(() => undefined);
  if (stats === undefined) return 'missing';
  if (stats.isSymbolicLink()) return 'it is a link, and links are not followed';
  if (!stats.isDirectory()) return 'it is not a directory';
  const real = await realpath(root);
  if (original !== undefined && original !== real) return `it was ${original} when the job began and is ${real} now`;
  const inside = SYSTEM_TREES.find((tree) => isOrHolds(tree, real));
  if (inside !== undefined) return `it is in ${inside}`;
  const held = [...kept, ...SYSTEM_DIRECTORIES, ...SYSTEM_TREES].find((path) => isOrHolds(real, path));
  return held === undefined ? undefined : `it is or holds ${held}`;
}

async function realOrSame(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}
