import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { messageOf } from '../../lib/errors.ts';

/** What tells one state of a file from another. */
export interface Fingerprint {
  /** Bytes. */
  size: number;
  mtimeNs: bigint;
  ino: bigint;
}

export interface Observed extends Fingerprint {
  /** When content, name or mode last changed. No program can set it back, so it orders what a burst wrote. */
  ctimeNs: bigint;
}

export interface ScannedFile {
  /** Below the scanned directory, `/` between parts. */
  relativePath: string;
  /** What to open: the file itself, or what a link inside the directory points to. */
  source: string;
  state: Observed;
}

export interface Scan {
  files: ScannedFile[];
  /** What could not be read, and why. */
  problems: string[];
  /** False when files may exist that are not listed: then nothing may be concluded from a file's absence. */
  complete: boolean;
}

/** Downloads are written under such a name first; no scan sees them. */
export const TEMPORARY_PREFIX = '.kelpie-part-';

/**
 * All regular files below `root`. Links are followed only to what lies below `root` as well. Never rejects: what could
 * not be read is listed as a problem.
 */
export async function scanDirectory(root: string): Promise<Scan> {
  const files: ScannedFile[] = [];
  const problems: string[] = [];
  const realRoot = await realpath(root).catch((error: unknown) => {
    // A directory that is gone altogether may be one that was unmounted, so its files do not count as deleted.
    if (!isMissing(error)) problems.push(`cannot read ${root}: ${messageOf(error)}`);
  });
  if (realRoot !== undefined) await walk({ files, problems, realRoot }, realRoot, '', [realRoot]);
  return { files, problems, complete: realRoot !== undefined && problems.length === 0 };
}

/** The present state of a file, or undefined when there is none (any more). */
export async function observe(source: string): Promise<Observed | undefined> {
  const stats = await lstat(source, { bigint: true }).catch(undefinedWhenMissing);
  return stats?.isFile() === true ? observedOf(stats) : undefined;
}

export function observedOf({ size, mtimeNs, ino, ctimeNs }: BigIntStats): Observed {
  return { size: Number(size), mtimeNs, ino, ctimeNs };
}

export function isSame(a: Fingerprint, b: Fingerprint): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ino === b.ino;
}

interface Walk {
  files: ScannedFile[];
  problems: string[];
  realRoot: string;
}

/** `chain` holds the real paths from the root down to here: a link back to one of them would never end. */
async function walk(context: Walk, directory: string, relative: string, chain: readonly string[]): Promise<void> {
  // One after the other: a scan must leave threads of the pool to the reads and writes of the command's data.
  for (const entry of await list(context, directory)) {
    const path = join(directory, entry.name);
    const relativePath = relative === '' ? entry.name : `${relative}/${entry.name}`;
    try {
      await visit(context, entry, path, relativePath, chain);
    } catch (error) {
      context.problems.push(`cannot read ${path}: ${messageOf(error)}`);
    }
  }
}

async function list({ problems }: Walk, directory: string): Promise<Dirent[]> {
  try {
    const names = await readdir(directory, { withFileTypes: true });
    return names.filter(({ name }) => !name.startsWith(TEMPORARY_PREFIX));
  } catch (error) {
    if (!isMissing(error)) problems.push(`cannot read ${directory}: ${messageOf(error)}`);
    return [];
  }
}

async function visit(
  context: Walk,
  entry: Dirent,
  path: string,
  relativePath: string,
  chain: readonly string[],
): Promise<void> {
  if (entry.isSymbolicLink()) {
    await visitLink(context, path, relativePath, chain);
  } else if (entry.isDirectory()) {
    await walk(context, path, relativePath, [...chain, path]);
  } else if (entry.isFile()) {
    const state = await observe(path);
    if (state !== undefined) context.files.push({ relativePath, source: path, state });
    else if (path.includes('\uFFFD')) throw new Error('its name is not UTF-8, so no key can stand for it; rename it');
  }
}

async function visitLink(context: Walk, path: string, relativePath: string, chain: readonly string[]): Promise<void> {
  const source = await realpath(path).catch(undefinedWhenMissing);
  if (source?.startsWith(context.realRoot + sep) !== true) return;
  const stats = await stat(source, { bigint: true }).catch(undefinedWhenMissing);
  if (stats?.isFile() === true) context.files.push({ relativePath, source, state: observedOf(stats) });
  if (stats?.isDirectory() === true && !chain.includes(source)) {
    await walk(context, source, relativePath, [...chain, source]);
  }
}

function undefinedWhenMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
