import { createHash, randomBytes } from 'node:crypto';
import { appendFile, type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Growth, watchGrowth, type Witness } from '../../../agent/sync/growth.ts';
import { type OpenFile, openFile } from '../../../agent/sync/open-file.ts';
import { always } from './support/bench.ts';

const COPIED = 8 * 2 ** 20;
const beginning = randomBytes(COPIED + 1000);
const more = randomBytes(5000);
const digestOf = (...content: Buffer[]) => createHash('sha256').update(Buffer.concat(content)).digest('hex');

let directory: string;
let handle: FileHandle;
let file: OpenFile;
let growth: Growth | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kelpie-growth-'));
  await writeFile(join(directory, 'run.xtc'), beginning);
  handle = await open(join(directory, 'run.xtc'), 'r+');
  const opened = await openFile(join(directory, 'run.xtc'), (question) => question);
  file = opened!;
});
afterEach(async () => {
  await growth?.settled();
  await handle.close();
  await file.handle.close();
  await rm(directory, { recursive: true });
});

/** As it is watched while the first `copied` bytes are copied, which the bucket has. */
async function watchFrom(copied: number): Promise<Growth> {
  const { state: opened } = file;
  const witness: Witness = { length: beginning.length, digest: digestOf(beginning), etag: '"x-2"' };
  return (growth = watchGrowth({ handle: file.handle, opened, witness, copied, signal: always }));
}

const grow = () => appendFile(join(directory, 'run.xtc'), more);
const overwrite = (position: number) => handle.write(Buffer.from('another'), 0, 7, position);

describe('a growing file that is watched while it is published', () => {
  it('is taken as long as it is once its beginning is copied, and known by all of that', async () => {
    const watched = await watchFrom(COPIED);
    await grow();
    expect(await watched.bind()).toMatchObject({ size: beginning.length + more.length });
    await grow();
    expect(await watched.digest()).toBe(digestOf(beginning, more));
  });

  it('is taken as long as it was where nothing of it is copied', async () => {
    const watched = await watchFrom(0);
    await grow();
    expect(await watched.bind()).toMatchObject({ size: beginning.length });
    expect(await watched.digest()).toBe(digestOf(beginning));
  });

  it.each([
    ['in its beginning, which is copied,', COPIED, 5],
    ['in what is sent of the beginning', COPIED, COPIED + 5],
    ['where all of it is sent', 0, 5],
  ])('is found out when it was changed %s before anything is sent', async (_, copied, position) => {
    const watched = await watchFrom(copied);
    await overwrite(position);
    await grow();
    await watched.bind();
    expect(await watched.digest()).toBeUndefined();
  });

  it.each([
    ['what was sent', COPIED + 5],
    ['what was sent for the first time', beginning.length + 5],
  ])('is found out when %s was changed meanwhile', async (_, position) => {
    const watched = await watchFrom(COPIED);
    await grow();
    await watched.bind();
    await overwrite(position);
    expect(await watched.digest()).toBeUndefined();
  });

  it('is looked at anew, beginning and all, for who has sent it once more', async () => {
    const watched = await watchFrom(COPIED);
    await watched.bind();
    expect(await watched.digest()).toBe(digestOf(beginning));
    expect(await watched.digest()).toBe(digestOf(beginning));
    await overwrite(5);
    expect(await watched.digest()).toBeUndefined();
  });
});
