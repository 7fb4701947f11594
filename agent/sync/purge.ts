import { lstat, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, sep } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import type { Logger } from './logger.ts';
import { TEMPORARY_PREFIX } from './scan.ts';

export interface PurgeParts {
  /** Absolute paths of directories whose contents are a job's. */
  roots: readonly string[];
  /** Paths that no purge may remove: the working directory, and whatever else the agent needs. */
  keep: readonly string[];
  jobId: string;
  log: Logger;
}

/** Keeps the data of one job from the next. Never throws: what could not be removed is told. */
export interface Purger {
  /** Removes what an agent that died left of another job, and marks the directories as this job's. */
  takeOver(): Promise<void>;
  /**
   * Removes the contents of the directories, not the directories. Links are removed, what they point to stays. A path
   * that is or holds something the machine needs is left alone, with a warning.
   */
  purge(): Promise<void>;
}

export function createPurger({ roots, keep, jobId, log }: PurgeParts): Purger {
  const originals = new Map<string, string>();

  const guarded = async (handle: (root: string, reason: string | undefined) => Promise<void>) => {
    const kept = await Promise.all([...keep, ...OWN_PATHS].map(realOrSame));
    for (const root of new Set(roots)) {
      try {
        const reason = await reasonToKeep(root, kept, originals);
        if (reason !== 'missing') await handle(root, reason);
      } catch (error) {
        log.warn({ path: root, reason: messageOf(error) }, 'a local path could not be purged');
      }
    }
  };
  return {
    async takeOver() {
      for (const root of roots) originals.set(root, await realOrSame(root));
      await guarded(async (root, reason) => {
        if (reason !== undefined) return;
        const owner = await ownerOf(root);
        if (owner !== undefined && owner !== jobId) {
          log.warn({ path: root, owner }, 'an agent that died left data of another job here; it is removed');
          await removeContents(root, log);
          await rm(markOf(root), { recursive: true });
        }
        if (owner !== jobId) await mark(root, jobId, log);
      });
    },
    purge: () =>
      guarded(async (root, reason) => {
        if (reason === undefined) await removeContents(root, log);
        else log.warn({ path: root, reason }, 'this local path is synced, but never purged');
        await rm(markOf(root), { force: true });
      }),
  };
}

/** Where it is written whose data a directory holds: beside it, as the directory itself is the command's. No scan sees it. */
function markOf(root: string): string {
  return join(dirname(root), `${TEMPORARY_PREFIX}job-of-${basename(root)}`);
}

/** The job that the directory is marked with; a mark that cannot be read is another job's. */
async function ownerOf(root: string): Promise<string | undefined> {
  const stats = await lstat(markOf(root)).catch(() => undefined);
  if (stats === undefined) return undefined;
  return stats.isFile() && stats.size < LONGEST_MARK ? readFile(markOf(root), 'utf8') : '';
}

const LONGEST_MARK = 1000;

async function mark(root: string, jobId: string, log: Logger): Promise<void> {
  await writeFile(markOf(root), jobId, { flag: 'wx' }).catch((error: unknown) => {
    log.debug(
      { path: root, reason: messageOf(error) },
      'should this agent die, its data here is not told from other data',
    );
  });
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
