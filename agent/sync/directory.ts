import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isPartOfDownload } from './scan.ts';

/**
 * Makes the directory `relativePath` ('' or `a/b`) below `root`, itself included. Throws when something on the way below
 * `root` is a link, which would lead whatever is written there to another place, or is a file.
 */
export async function makeDirectory(root: string, relativePath: string): Promise<void> {
  await mkdir(root, { recursive: true });
  let path = root;
  for (const part of relativePath.split('/').filter((name) => name !== '')) {
    path = join(path, part);
    await mkdir(path).catch(ignoreExisting);
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) throw new Error(`${path} is a link, and nothing is written through links; remove it`);
    if (!stats.isDirectory()) throw new Error(`${path} should be a directory, but is a file; remove one of the two`);
  }
}

/**
 * Removes what a download of an agent that died has left below `root`: it may be as large as the data itself. `onQuestion` is called with each
 * path before the disk is asked about it.
 */
export async function removeLeftParts(root: string, onQuestion: (path: string) => void): Promise<void> {
  onQuestion(root);
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(root, entry.name);
    if (entry.isDirectory()) await removeLeftParts(path, onQuestion);
    else if (entry.isFile() && isPartOfDownload(entry.name)) await rm(path, { force: true });
  }
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
}
