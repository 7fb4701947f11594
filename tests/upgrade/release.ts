import { execFileSync } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** What stands for the release before this one while none is tagged: the last commit of the first version that was shown as a whole. */
const UNTAGGED = 'e25c4cd24dc707c472d6fb4a1efa2b5285c796cf';

/** The release before this one: the newest tag of a version behind this commit. Undefined in a clone that does not go back so far. */
export function previousRelease(): string | undefined {
  return (
    answerOf('describe', '--tags', '--abbrev=0', '--match', 'v[0-9]*', 'HEAD^') ??
    answerOf('rev-parse', '--verify', `${UNTAGGED}^{commit}`)
  );
}

function answerOf(...args: string[]): string | undefined {
  try {
    return git(...args);
  } catch {
    return undefined;
  }
}

/** Its files, in a folder of their own, with the libraries of this one: none has been given up since that it needs. */
export async function unpack(release: string, directory: string): Promise<string> {
  const folder = join(directory, 'previous');
  await mkdir(folder);
  const archive = join(directory, 'previous.tar');
  git('archive', '--output', archive, release);
  execFileSync('tar', ['-xf', archive, '-C', folder]);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** The folder of what is here. */
export const present = root;

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: root, stdio: 'pipe', encoding: 'utf8' }).trim();
}
