import { lstat, readdir, realpath, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, sep } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import type { Logger } from './logger.ts';

export interface PurgeParts {
  /** Absolute paths of directories whose contents are to go. */
  roots: readonly string[];
  /** Paths that no purge may remove: the working directory, and whatever else the agent needs. */
  keep: readonly string[];
  /** Where each root really was when the job began, as far as known. */
  originals: ReadonlyMap<string, string>;
  log: Logger;
}

/**
 * Removes the contents of the directories, not the directories. Links are removed, what they point to stays. A path that
 * is or holds something the machine needs is left alone, with a warning. Never throws: what could not be removed is told.
 */
export async function purge(parts: PurgeParts): Promise<void> {
  const kept = await Promise.all([...parts.keep, ...OWN_PATHS].map(realOrSame));
  for (const root of new Set(parts.roots)) {
    try {
      const reason = await reasonToKeep(root, kept, parts.originals);
      if (reason === 'missing') continue;
      if (reason === undefined) await removeContents(root, parts.log);
      else parts.log.warn({ path: root, reason }, 'this local path is synced, but never purged');
    } catch (error) {
      parts.log.warn({ path: root, reason: messageOf(error) }, 'a local path could not be purged');
    }
  }
}

const OWN_PATHS = [process.cwd(), homedir(), process.execPath, process.argv[1] ?? process.execPath];

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
  originals: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  const stats = await lstat(root).catch(() => undefined);
  if (stats === undefined) return 'missing';
  if (stats.isSymbolicLink()) return 'it is a link, and links are not followed';
  if (!stats.isDirectory()) return 'it is not a directory';
  const real = await realpath(root);
  const original = originals.get(root);
  if (original !== undefined && original !== real) return `it was ${original} when the job began and is ${real} now`;
  const inside = SYSTEM_TREES.find((tree) => isOrHolds(tree, real));
  if (inside !== undefined) return `it is in ${inside}`;
  const held = [...kept, ...SYSTEM_DIRECTORIES, ...SYSTEM_TREES].find((path) => isOrHolds(real, path));
  return held === undefined ? undefined : `it is or holds ${held}`;
}

function isOrHolds(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === sep ? sep : directory + sep);
}

async function realOrSame(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

async function removeContents(root: string, log: Logger): Promise<void> {
  for (const name of await readdir(root)) {
    const path = join(root, name);
    await rm(path, { recursive: true, force: true, maxRetries: 2 }).catch((error: unknown) => {
      log.warn({ path, reason: messageOf(error) }, 'a file of the ended job could not be removed');
    });
  }
}
