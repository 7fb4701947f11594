import { lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

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

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
}
