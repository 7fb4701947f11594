import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scanDirectory } from '../../../agent/sync/scan.ts';
import { askingUntil } from '../../../agent/sync/silence.ts';

const asking = askingUntil(new AbortController().signal);

describe('a scan', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'kelpie-scan-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('of files that nobody touches is complete, and lists them all', async () => {
    await writeFile(join(root, 'a'), 'a');
    const { files, complete } = await scanDirectory(root, asking);
    expect(complete).toBe(true);
    expect(files.map(({ relativePath }) => relativePath)).toEqual(['a']);
  });

  it('of directories that link to each other takes no longer than their number asks for', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `d${index}`);
    for (const name of names) await mkdir(join(root, name));
    for (const from of names) {
      for (const to of names.filter((name) => name !== from)) await symlink(join(root, to), join(root, from, to));
    }
    await writeFile(join(root, 'd0/file'), 'x');
    const { files, complete } = await scanDirectory(root, asking);
    expect(complete).toBe(true);
    expect(files.map(({ relativePath }) => relativePath).sort()).toEqual(
      ['d0/file', ...names.slice(1).map((name) => `${name}/d0/file`)].sort(),
    );
  });

  it('names what it cannot read, by its place', async () => {
    await mkdir(join(root, 'logs'));
    await writeFile(Buffer.from(`${root}/logs/caf\xe9.tmp`, 'latin1'), 'x');
    await writeFile(join(root, 'result.pt'), 'x');
    const { problems, complete } = await scanDirectory(root, asking);
    expect(problems).toEqual([expect.objectContaining({ relativePath: 'logs/caf\uFFFD.tmp', isDirectory: false })]);
    expect(complete).toBe(true);
  });

  it('asks before each entry, and ends between two once nothing more is to be asked', async () => {
    await mkdir(join(root, 'deep'));
    for (const name of ['deep/a', 'deep/b', 'deep/c']) await writeFile(join(root, name), 'x');
    const asked: string[] = [];
    const stopping = new AbortController();
    const until = (end: (path: string) => boolean) =>
      askingUntil(stopping.signal, (path) => {
        asked.push(relative(root, path));
        if (end(path)) stopping.abort(new Error('the attempt was stopped'));
      });
    await scanDirectory(
      root,
      until(() => false),
    );
    expect(asked.filter((path) => path.startsWith('deep/')).sort()).toEqual(['deep/a', 'deep/b', 'deep/c']);
    asked.length = 0;
    await expect(
      scanDirectory(
        root,
        until((path) => path.startsWith(join(root, 'deep/'))),
      ),
    ).rejects.toThrow('stopped');
    expect(asked.filter((path) => path.startsWith('deep/'))).toHaveLength(1);
  });

  it('never calls itself complete when all that it had listed was replaced before it looked', async () => {
    const rotation = new Worker(ROTATION, { eval: true, workerData: root });
    await once(rotation, 'message');
    const scans = [];
    for (let count = 0; count < 300; count++) scans.push(await scanDirectory(root, asking));
    await rotation.terminate();
    expect(scans.filter(({ complete, files }) => complete && files.length === 0)).toHaveLength(0);
  });
});

/** There is always a file in the directory: the next one comes before the last one goes. */
const ROTATION = `
  const { renameSync, rmSync, writeFileSync } = require('node:fs');
  const { parentPort, workerData: root } = require('node:worker_threads');
  writeFileSync(root + '/0', '');
  parentPort.postMessage('begun');
  for (let number = 0; ; number++) {
    writeFileSync(root + '/.kelpie-part-00000000-0000-4000-8000-000000000000', '');
    renameSync(root + '/.kelpie-part-00000000-0000-4000-8000-000000000000', root + '/' + (number + 1));
    rmSync(root + '/' + number);
  }
`;
