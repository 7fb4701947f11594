import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import type { Asking } from './silence.ts';

/** What tells one state of a file from another. */
export interface Observed {
  /** Bytes. */
  size: number;
  mtimeNs: bigint;
  ino: bigint;
  /** When content, name or mode last changed. No program can set it back, so it orders what a burst wrote. */
  ctimeNs: bigint;
}

/** The state of no file at all: no file is the same. */
export const NO_STATE: Observed = { size: 0, mtimeNs: -1n, ino: -1n, ctimeNs: -1n };

export interface ScannedFile {
  /** Below the scanned directory, `/` between parts. */
  relativePath: string;
  /** What to open: the file itself, or what a link inside the directory points to. */
  source: string;
  state: Observed;
}

export interface Problem {
  /** Below the scanned directory; '' is the directory itself. */
  relativePath: string;
  /** What could not be read, and why. */
  reason: string;
  cause?: unknown;
  /** Whether all that lies below it is unseen. */
  isDirectory: boolean;
}

export interface Scan {
  files: ScannedFile[];
  problems: Problem[];
  /** False when files may exist that are not listed: then nothing may be concluded from a file's absence. */
  complete: boolean;
  /** There is no such directory. */
  isMissing: boolean;
}

/** Downloads are written under such a name first, followed by a UUID; no scan sees them. */
export const TEMPORARY_PREFIX = '.kelpie-part-';

const PART_NAME = /^\.kelpie-part-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MARK_NAME = /^\.kelpie-part-(?:job|aside)-of-/;

export function isPartOfDownload(name: string): boolean {
  return PART_NAME.test(name);
}

/** Whether the agent itself gives such names; what only looks alike is the command's. */
export function isTemporary(name: string): boolean {
  return isPartOfDownload(name) || MARK_NAME.test(name);
}

/**
 * All regular files below `root`. Links are followed only to what lies below `root` as well, and to directories only
 * where no link led: a web of links has more paths than anybody can walk. What could not be read is listed as a problem. Ends between two
 * entries once the signal of `asking` is aborted, and rejects with its reason; never otherwise.
 */
export async function scanDirectory(root: string, asking: Asking): Promise<Scan> {
  const context: Walk = { root, realRoot: root, asking, files: [], problems: [], complete: true, isMissing: false };
  try {
    asking.ask(root);
    context.realRoot = await realpath(root);
    await walk(context, { path: context.realRoot, relativePath: '', chain: [context.realRoot], isLinked: false });
  } catch (error) {
    asking.signal.throwIfAborted();
    // A directory that is gone altogether may be one that was unmounted, so its files do not count as deleted.
    context.complete = false;
    if (isMissing(error)) context.isMissing = true;
    else note(context, '', error, true);
  }
  const { files, problems, complete, isMissing: isGone } = context;
  return { files, problems, complete, isMissing: isGone };
}

/** The present state of a file, or undefined when there is none (any more). */
export async function observe(source: string): Promise<Observed | undefined> {
  const stats = await lstat(source, { bigint: true }).catch(undefinedWhenMissing);
  return stats?.isFile() === true ? observedOf(stats) : undefined;
}

export function observedOf({ size, mtimeNs, ino, ctimeNs }: BigIntStats): Observed {
  return { size: Number(size), mtimeNs, ino, ctimeNs };
}

export function isSame(a: Observed, b: Observed): boolean {
  return looksSame(a, b) && a.ctimeNs === b.ctimeNs;
}

/** Like isSame for whoever does not write and then set the time back; a change of mode or name does not count. */
export function looksSame(a: Observed, b: Observed): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ino === b.ino;
}

interface Walk extends Scan {
  root: string;
  realRoot: string;
  asking: Asking;
}

interface Place {
  path: string;
  relativePath: string;
  /** The real paths from the root down to here: a link back to one of them would never end. */
  chain: readonly string[];
  /** Whether a link led here. */
  isLinked: boolean;
}

async function walk(context: Walk, place: Place): Promise<void> {
  // One after the other: a scan must leave threads of the pool to the reads and writes of the command's data.
  for (const entry of await list(context, place)) {
    const path = join(place.path, entry.name);
    const relativePath = place.relativePath === '' ? entry.name : `${place.relativePath}/${entry.name}`;
    context.asking.ask(path);
    try {
      await visit(context, entry, { ...place, path, relativePath });
    } catch (error) {
      context.asking.signal.throwIfAborted();
      if (isMissing(error)) vanished(context, relativePath, false);
      else note(context, relativePath, error, false);
    }
  }
}

async function list(context: Walk, { path, relativePath }: Place): Promise<Dirent[]> {
  try {
    context.asking.ask(path);
    const names = await readdir(path, { withFileTypes: true });
    return names.filter(({ name }) => !isTemporary(name));
  } catch (error) {
    context.asking.signal.throwIfAborted();
    if (isMissing(error)) vanished(context, relativePath, true);
    else note(context, relativePath, error, true);
    return [];
  }
}

async function visit(context: Walk, entry: Dirent, place: Place): Promise<void> {
  const { path, relativePath, chain } = place;
  if (entry.isSymbolicLink()) {
    await visitLink(context, place);
  } else if (entry.isDirectory()) {
    await walk(context, { ...place, chain: [...chain, path] });
  } else if (entry.isFile()) {
    const state = await observe(path);
    if (state === undefined) vanished(context, relativePath, false);
    else context.files.push({ relativePath, source: path, state });
  }
}

async function visitLink(context: Walk, { path, relativePath, chain, isLinked }: Place): Promise<void> {
  const source = await realpath(path).catch(undefinedWhenMissing);
  if (source === undefined && (await lstat(path).catch(undefinedWhenMissing)) === undefined) {
    vanished(context, relativePath, false);
  }
  if (source?.startsWith(context.realRoot + sep) !== true) return;
  const stats = await stat(source, { bigint: true }).catch(undefinedWhenMissing);
  if (stats === undefined) vanished(context, relativePath, false);
  if (stats?.isFile() === true) context.files.push({ relativePath, source, state: observedOf(stats) });
  if (stats?.isDirectory() === true && !isLinked && !chain.includes(source)) {
    await walk(context, { path: source, relativePath, chain: [...chain, source], isLinked: true });
  }
}

/** What was listed is gone when it is looked at, so what took its place may be on no list. Or its name cannot be said. */
function vanished(context: Walk, relativePath: string, isDirectory: boolean): void {
  if (relativePath.includes('\uFFFD')) {
    const reason = 'its name is not UTF-8, so no key can stand for it; rename it';
    context.problems.push({
      relativePath,
      reason: `cannot read ${join(context.root, relativePath)}: ${reason}`,
      isDirectory,
    });
  } else {
    context.complete = false;
  }
}

function note(context: Walk, relativePath: string, error: unknown, isDirectory: boolean): void {
  const reason = `cannot read ${join(context.root, relativePath)}: ${messageOf(error)}`;
  context.problems.push({ relativePath, reason, cause: error, isDirectory });
  context.complete = false;
}

function undefinedWhenMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
