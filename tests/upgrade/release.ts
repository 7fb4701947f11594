import { execFileSync } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** What stood for the release before this one: the last commit of the first version that was shown as a whole. */
export const PREVIOUS = 'e25c4cd24dc707c472d6fb4a1efa2b5285c796cf';

/** Whether this clone has that commit: a shallow one has not. */
export function hasPrevious(): boolean {
  try {
    git('cat-file', '-e', `${PREVIOUS}^{commit}`);
    return true;
  } catch {
    return false;
  }
}

/** Its files, in a folder of their own, with the libraries of this one: none has been given up since that it needs. */
export async function unpackPrevious(directory: string): Promise<string> {
  const folder = join(directory, 'previous');
  await mkdir(folder);
  const archive = join(directory, 'previous.tar');
  git('archive', '--output', archive, PREVIOUS);
  execFileSync('tar', ['-xf', archive, '-C', folder]);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** The folder of what is here. */
export const present = root;

function git(...args: string[]): void {
  execFileSync('git', args, { cwd: root, stdio: 'pipe' });
}
