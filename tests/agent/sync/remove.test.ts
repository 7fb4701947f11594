import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { removeTree } from '../../../agent/sync/remove.ts';
import { askingUntil } from '../../../agent/sync/silence.ts';

const always = askingUntil(new AbortController().signal);
let folder: string;
let tree: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kelpie-remove-'));
  tree = join(folder, 'tree');
  await mkdir(tree);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

async function fill(directory: string, files: number): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (let file = 0; file < files; file++) await writeFile(join(directory, `file-${file}`), '');
}

/** Aborted when the first thing is removed from a directory. */
function onceBegun(directory: string): AbortSignal {
  const begun = new AbortController();
  const watcher = watch(directory, () => begun.abort(new Error('no more time')));
  onTestFinished(() => watcher.close());
  return begun.signal;
}

test('a tree is removed with all that is in it, but nothing that a link in it leads to', async () => {
  await fill(join(tree, 'deep/deeper'), 3);
  await fill(join(folder, 'kept'), 1);
  await symlink(join(folder, 'kept'), join(tree, 'deep/link'));
  await removeTree(tree, always);
  expect(await readdir(folder)).toEqual(['kept']);
  await symlink(join(folder, 'kept'), tree);
  await removeTree(tree, always);
  expect(await readdir(folder)).toEqual(['kept']);
  expect(await readdir(join(folder, 'kept'))).toEqual(['file-0']);
});

test('the removal of very many files ends as soon as nobody has the time for it, and what says whose they are stays', async () => {
  const mark = join(tree, '.a-mark');
  await writeFile(mark, '');
  await fill(join(tree, 'many'), 3000);
  await expect(removeTree(tree, askingUntil(onceBegun(join(tree, 'many'))), mark)).rejects.toThrow('no more time');
  const left = await readdir(join(tree, 'many'));
  expect(left.length).toBeGreaterThan(0);
  expect(left.length).toBeLessThan(3000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(await readdir(join(tree, 'many'))).toHaveLength(left.length);
  expect(existsSync(mark)).toBe(true);
  await removeTree(tree, always, mark);
  expect(await readdir(folder)).toEqual([]);
});
