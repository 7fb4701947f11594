import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AttemptSync } from '../../../agent/sync/attempt-sync.ts';
import { markAs, ownerOf } from '../../../agent/sync/marks.ts';
import { moveContents } from '../../../agent/sync/move.ts';
import { askingUntil } from '../../../agent/sync/silence.ts';
import { always, benchOfFile, eventually, instruction, type SyncGiven } from './support/bench.ts';

const bench = await benchOfFile();
const { local } = bench;
const asideOf = (path: string) => local(`.kelpie-part-aside-of-${path}`);
const upload = (prefix: string, path: string) => instruction('UPLOAD', prefix, path);

async function running(given: SyncGiven): Promise<AttemptSync> {
  const sync = bench.sync(given);
  await sync.prepare();
  await sync.watch();
  return sync;
}

async function finish(sync: AttemptSync): Promise<void> {
  await sync.flush(always);
  await sync.uploadAfter(always);
  await sync.purge(always);
}

describe('files that make way', () => {
  it('leave their local paths empty, and are published under the keys that they would have had', async () => {
    const sync = await running({
      during: [upload('way/ckpt', 'ckpt'), upload('way/deep', 'ckpt/deep')],
      after: [upload('way/out', 'out')],
    });
    const { mode, ino } = await stat(local('out'));
    for (const path of ['ckpt/a', 'ckpt/deep/b', 'out/sub/c']) await bench.write(path, `of ${path}`);
    expect(await sync.makeWay()).toBe(true);
    expect(await readdir(local('ckpt'))).toEqual([]);
    expect(await readdir(local('out'))).toEqual([]);
    const made = await stat(local('out'));
    expect({ mode: made.mode, isAnother: made.ino !== ino }).toEqual({ mode, isAnother: true });

    await finish(sync);
    expect(await bench.keys('way/')).toEqual(['way/ckpt/a', 'way/ckpt/deep/b', 'way/deep/b', 'way/out/sub/c']);
    expect(await bench.text('way/out/sub/c')).toBe('of out/sub/c');
    expect((await readdir(bench.directory())).sort()).toEqual(['ckpt', 'out']);
  });

  it('are the first job’s, and what comes after them is the next one’s, whoever ends first', async () => {
    const asides = new Set<string>();
    const first = await running({ after: [upload('first', 'out')], jobId: 'job-a', asides });
    await bench.write('out/result', 'of a');
    await first.makeWay();
    const second = await running({ during: [upload('second', 'out')], jobId: 'job-b', asides });
    await bench.write('out/other', 'of b');
    await finish(second);
    expect(await readdir(local('out'))).toEqual([]);
    await finish(first);
    expect(await bench.keys('first/')).toEqual(['first/result']);
    expect(await bench.keys('second/')).toEqual(['second/other']);
    expect([...asides]).toEqual([]);
  });

  it('are spared by the purge of a job whose local path holds the place where they lie', async () => {
    const asides = new Set<string>();
    const first = await running({ after: [upload('held', 'data/out')], asides });
    await bench.write('data/out/result', 'kept');
    await first.makeWay();
    const second = await running({ after: [upload('holder', 'data')], jobId: 'job-b', asides });
    await bench.write('data/own', 'x');
    await finish(second);
    expect(await bench.keys('holder/')).toEqual(['holder/own']);
    expect(await readdir(local('data'))).toEqual(['.kelpie-part-aside-of-out']);
    await finish(first);
    expect(await bench.text('held/result')).toBe('kept');
    expect(await readdir(local('data'))).toEqual([]);
  });

  it('go on with an upload that is under way: it is not begun again', async () => {
    const sync = await running({ during: [upload('underway', 'ckpt')] });
    const arrived = Promise.withResolvers<undefined>();
    const release = Promise.withResolvers<undefined>();
    bench.relay.interfere = ({ query }) => {
      if (!query.has('partNumber')) return undefined;
      arrived.resolve(undefined);
      return release.promise;
    };
    const content = randomBytes(9 * 2 ** 20);
    await bench.write('ckpt/model', content);
    await arrived.promise;
    await sync.makeWay();
    await bench.write('ckpt/model', 'of the next job');
    release.resolve(undefined);
    await finish(sync);
    const begun = bench.relay.seen.filter(({ method, query }) => method === 'POST' && query.has('uploads'));
    expect(begun).toHaveLength(1);
    const stored = await (await bench.get('underway/model')).Body!.transformToByteArray();
    expect(content.equals(stored)).toBe(true);
  });

  it('take with them what the bucket has to forget, and nothing else', async () => {
    const sync = await running({ during: [upload('rotated', 'ckpt')] });
    await bench.write('ckpt/step-1', 'one');
    await bench.write('ckpt/step-2', 'two');
    await eventually(() => sync.counts().filesUploaded === 2);
    await sync.suspend();
    await rm(local('ckpt/step-1'));
    await sync.makeWay();
    sync.resume();
    await finish(sync);
    expect(await bench.keys('rotated/')).toEqual(['rotated/step-2']);
    expect(sync.counts().filesUploaded).toBe(2);
  });

  it.skipIf(!existsSync('/dev/shm'))('may lie on several devices', async () => {
    const shm = await mkdtemp('/dev/shm/kelpie-aside-');
    try {
      const elsewhere = join(shm, 'out');
      const sync = await running({ during: [upload('devices/a', 'ckpt')], after: [upload('devices/b', elsewhere)] });
      await bench.write('ckpt/a', 'here');
      await writeFile(join(elsewhere, 'b'), 'there');
      expect(await sync.makeWay()).toBe(true);
      expect([...(await readdir(local('ckpt'))), ...(await readdir(elsewhere))]).toEqual([]);
      await finish(sync);
      expect(await bench.keys('devices/')).toEqual(['devices/a/a', 'devices/b/b']);
      expect(await readdir(shm)).toEqual(['out']);
    } finally {
      await rm(shm, { recursive: true });
    }
  });

  it('make it where the directory itself cannot be renamed, and are not sent again for that', async () => {
    // Something else has the name beside the directory, as beside a mount nothing can have it.
    await bench.write('.kelpie-part-aside-of-ckpt/not-ours', 'x');
    const asides = new Set<string>();
    const sync = await running({ during: [upload('inside', 'ckpt')], compression: true, asides });
    await bench.write('ckpt/a', 'a');
    await eventually(() => sync.counts().filesUploaded === 1);
    expect(await sync.makeWay()).toBe(true);
    expect(await readdir(local('ckpt'))).toEqual(['.kelpie-part-aside-of-ckpt']);
    const next = await running({ during: [upload('inside-next', 'ckpt')], jobId: 'job-b', asides });
    await bench.write('ckpt/b', 'b');
    await finish(next);
    await finish(sync);
    expect(sync.counts().filesUploaded).toBe(1);
    expect(await bench.keys('inside')).toEqual(['inside-next/b', 'inside/a.gz']);
    expect(await readdir(local('ckpt'))).toEqual([]);
    expect(await readFile(local('.kelpie-part-aside-of-ckpt/not-ours'), 'utf8')).toBe('x');
  });

  it('are missed when somebody removes them before they are published, and nothing is deleted for that', async () => {
    const sync = await running({ during: [upload('vanished', 'ckpt')], after: [upload('vanished-out', 'out')] });
    await bench.write('ckpt/step-1', 'one');
    await eventually(() => sync.counts().filesUploaded === 1);
    await bench.write('out/result', 'x');
    await sync.makeWay();
    await unlink(join(asideOf('ckpt'), 'step-1'));
    await unlink(join(asideOf('out'), 'result'));
    await sync.flush(always);
    await expect(sync.uploadAfter(always)).rejects.toThrow(/out\/result was removed from .* before it was uploaded/);
    expect(await bench.keys('vanished/')).toEqual(['vanished/step-1']);
  });
});

describe('files that cannot make way', () => {
  const place = (path: string) => ({ after: [upload('stays', path)] });

  it.each([
    ['the working directory', '.', async () => undefined],
    ['a link', 'linked', () => symlink(local('other'), local('linked'))],
  ])('stay, as they were: %s', async (_, path, make) => {
    await mkdir(local('other'));
    await make();
    const sync = await running(place(path));
    await bench.write('other/x', 'x');
    await writeFile(join(local(path), 'y'), 'y');
    expect(await sync.makeWay()).toBe(false);
    expect(await readFile(join(local(path), 'y'), 'utf8')).toBe('y');
    const told = bench.logged.filter(({ message }) => message.includes('stays where it is'));
    expect(told.map(({ level }) => level)).toEqual(['debug']);
    await sync.uploadAfter(always);
    expect(await bench.text('stays/y')).toBe('y');
  });

  it('stay, all of them, where links would lead elsewhere; links that move with them do not matter', async () => {
    const sync = await running({ during: [upload('links/ckpt', 'ckpt')], after: [upload('links/out', 'out')] });
    await bench.write('ckpt/step-1', 'one');
    await symlink('step-1', local('ckpt/latest'));
    await bench.write('out/result', 'r');
    await symlink(local('out/result'), local('out/best'));
    expect(await sync.makeWay()).toBe(false);
    expect((await readdir(local('ckpt'))).sort()).toEqual(['latest', 'step-1']);
    expect((await readdir(bench.directory())).filter((name) => name.includes('aside'))).toEqual([]);
    await finish(sync);
    expect(await bench.keys('links/')).toEqual([
      ...['links/ckpt/latest', 'links/ckpt/step-1'],
      ...['links/out/best', 'links/out/result'],
    ]);

    const relative = await running({ during: [upload('relative', 'ckpt')] });
    await bench.write('ckpt/step-1', 'one');
    await symlink('step-1', local('ckpt/latest'));
    expect(await relative.makeWay()).toBe(true);
    await finish(relative);
    expect(await bench.keys('relative/')).toEqual(['relative/latest', 'relative/step-1']);
  });
});

describe('the contents of a directory', () => {
  it.skipIf(!existsSync('/dev/shm'))('are where they were when they cannot all be moved', async () => {
    const elsewhere = await mkdtemp('/dev/shm/kelpie-move-');
    try {
      await bench.write('ckpt/a', 'a');
      await markAs(local('ckpt'), 'a-job');
      const to = join(elsewhere, 'aside');
      await expect(moveContents(local('ckpt'), to, 'a-job', askingUntil(always))).rejects.toThrow('EXDEV');
      expect(await readdir(local('ckpt'))).toEqual(['a']);
      expect(await readdir(elsewhere)).toEqual([]);
      expect(await ownerOf(local('ckpt'))).toBe('a-job');
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });
});

describe('a move whose attempt is stopped', () => {
  it('puts back what it has moved, and asks for that as well', async () => {
    for (const name of ['a', 'b', 'c']) await bench.write(`ckpt/${name}`, name);
    const stopping = new AbortController();
    const asked: string[] = [];
    const asking = askingUntil(stopping.signal, (path) => {
      asked.push(basename(dirname(path)));
      if (asked.length === 2) stopping.abort(new Error('the attempt was stopped'));
    });
    await expect(moveContents(local('ckpt'), local('aside'), 'a-job', asking)).rejects.toThrow('stopped');
    expect(asked).toEqual(['ckpt', 'ckpt', 'aside', 'aside']);
    expect((await readdir(local('ckpt'))).sort()).toEqual(['a', 'b', 'c']);
    expect(await readdir(bench.directory())).toEqual(['ckpt']);
  });

  it('leaves everything where it was, and the purge removes it from there', async () => {
    const sync = await running({ after: [upload('stopped', 'out')] });
    await bench.write('out/result', 'x');
    const way = sync.makeWay();
    await sync.purge(always);
    expect(await way).toBe(false);
    expect(await readdir(local('out'))).toEqual([]);
    expect(await readdir(bench.directory())).toEqual(['out']);
  });
});

describe('what an agent that died had moved aside', () => {
  it('is removed when the next job comes, and nothing that is not marked as such', async () => {
    const died = await running({ during: [upload('died', 'ckpt')], after: [upload('died', 'out')], jobId: 'job-a' });
    await bench.write('ckpt/a', 'a');
    await bench.write('out/b', 'b');
    await died.makeWay();
    await died.stop();
    await bench.write('.kelpie-part-aside-of-precious/x', 'x');
    const next = await running({
      during: [upload('next', 'ckpt')],
      after: [upload('next', 'precious')],
      jobId: 'job-a',
    });
    expect((await readdir(bench.directory())).filter((name) => name.includes('aside')).sort()).toEqual([
      ...['.kelpie-part-aside-of-out', '.kelpie-part-aside-of-precious'],
    ]);
    expect(await readdir(local('ckpt'))).toEqual([]);
    await finish(next);
    expect(await bench.keys('next/')).toEqual([]);
  });

  it('half of a directory is nothing to go on from, even for the same job', async () => {
    const sync = await running({ during: [upload('half', 'ckpt')] });
    await bench.write('ckpt/a', 'a');
    await bench.write('ckpt/b', 'b');
    await bench.write('.kelpie-part-aside-of-ckpt/not-ours', 'x');
    await sync.makeWay();
    await sync.stop();
    // As if it had died between the two files.
    await rename(local('ckpt/.kelpie-part-aside-of-ckpt/b'), local('ckpt/b'));
    await writeFile(local('.kelpie-part-job-of-ckpt'), '');
    await running({ during: [upload('half', 'ckpt')] });
    expect(await readdir(local('ckpt'))).toEqual([]);
  });
});
