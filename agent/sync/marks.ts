import { lstat, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TEMPORARY_PREFIX } from './scan.ts';

/** The job whose data a directory holds, as far as is written beside it; a mark that cannot be read is another job's. */
export async function ownerOf(root: string): Promise<string | undefined> {
  return readMark(markOf(root));
}

export async function markAs(root: string, jobId: string): Promise<void> {
  await writeFile(markOf(root), jobId, { flag: 'wx' });
}

/**
 * Whoever finds the directory so marked takes it for another job's, and empties it. Says whether there was a mark; there always is one
 * then, whenever this process dies.
 */
export async function markAsBroken(root: string): Promise<boolean> {
  if ((await ownerOf(root)) === undefined) return false;
  const beside = `${markOf(root)}.broken`;
  await rm(beside, { force: true });
  await writeFile(beside, '', { flag: 'wx' });
  await rename(beside, markOf(root));
  return true;
}

export async function unmark(root: string): Promise<void> {
  await rm(markOf(root), { force: true });
}

/** Beside the directory, as what is in it is the command's. No scan sees it. */
function markOf(root: string): string {
  return join(dirname(root), `${TEMPORARY_PREFIX}job-of-${basename(root)}`);
}

/**
 * Where what was in a directory may be moved, both on the device of the directory in most cases: beside it, or, where it is
 * a mount or nothing may be written beside it, inside. No scan sees either.
 */
export function asidesOf(root: string): { beside: string; inside: string } {
  const name = `${TEMPORARY_PREFIX}aside-of-${basename(root)}`;
  return { beside: join(dirname(root), name), inside: join(root, name) };
}

/** Written in a directory before anything is moved there: what has no such mark is not ours to remove. */
export async function markAsAside(directory: string, jobId: string): Promise<void> {
  await writeFile(asideMarkOf(directory), jobId, { flag: 'wx' });
}

export async function unmarkAsAside(directory: string): Promise<void> {
  await rm(asideMarkOf(directory), { force: true });
}

/** The job whose files were moved here; undefined for a directory of anybody else. */
export async function asideOwnerOf(directory: string): Promise<string | undefined> {
  const stats = await lstat(directory).catch(() => undefined);
  return stats?.isDirectory() === true ? readMark(asideMarkOf(directory)) : undefined;
}

export function asideMarkOf(directory: string): string {
  return join(directory, `${TEMPORARY_PREFIX}aside-of-job`);
}

const LONGEST_MARK = 1000;

async function readMark(path: string): Promise<string | undefined> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return undefined;
  return stats.isFile() && stats.size < LONGEST_MARK ? readFile(path, 'utf8') : '';
}
