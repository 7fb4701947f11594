import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  appendFile,
  chmod,
  chown,
  readFile,
  rename,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SyncError } from '../../../agent/sync/attempt-sync.ts';
import { always, benchOfFile, instruction } from './support/bench.ts';

const bench = await benchOfFile();

const up = (prefix: string, more = {}) => bench.sync({ after: [instruction('UPLOAD', prefix, 'out', more)] });
const puts = () => bench.relay.seen.filter(({ method }) => method === 'PUT').map(({ key }) => key);

describe('an upload', () => {
  it('publishes every file under its own name, with a content type guessed from it', async () => {
    const names = [
      'a.json',
      'deep/er/b.txt',
      'with space',
      'hash#percent%20',
      'naïve ☃',
      'two\nlines',
      'plus+and&',
      'empty',
    ];
    for (const name of names) await bench.write(`out/${name}`, name === 'empty' ? '' : `content of ${name}`);
    const sync = up('up-names');
    await sync.uploadAfter(always);
    expect(await bench.keys('up-names/')).toEqual(names.map((name) => `up-names/${name}`).sort());
    expect(await bench.text('up-names/two\nlines')).toBe('content of two\nlines');
    expect(await bench.text('up-names/empty')).toBe('');
    expect((await bench.get('up-names/a.json')).ContentType).toBe('application/json');
    expect(sync.counts()).toMatchObject({ filesUploaded: names.length });
  });

  it('of a pattern publishes what matches, into the root of the bucket when the prefix is empty', async () => {
    await bench.write('out/root-level.bin', 'yes');
    await bench.write('out/root-level.txt', 'no');
    await up('', { pattern: '*.bin' }).uploadAfter(always);
    expect(await bench.keys('root-level')).toEqual(['root-level.bin']);
  });

  it('sends a large file in parts, and only once', async () => {
    const content = randomBytes(30 * 2 ** 20 + 17);
    await bench.write('out/weights.bin', content);
    const sync = up('up-large');
    await sync.uploadAfter(always);
    const parts = bench.relay.seen.filter(({ query }) => query.has('partNumber'));
    expect(parts.map(({ body }) => body.length).sort((a, b) => b - a)).toEqual([
      2 ** 23,
      2 ** 23,
      2 ** 23,
      content.length - 3 * 2 ** 23,
    ]);
    const stored = await (await bench.get('up-large/weights.bin')).Body!.transformToByteArray();
    expect(createHash('sha256').update(stored).digest('hex')).toBe(createHash('sha256').update(content).digest('hex'));
    await sync.uploadAfter(always);
    expect(bench.relay.seen.filter(({ query }) => query.has('partNumber'))).toHaveLength(4);
  });

  it('sends again a part that failed, and throws the parts away when it goes on failing', async () => {
    await bench.write('out/weights.bin', randomBytes(10 * 2 ** 20));
    let failures = 0;
    bench.relay.interfere = async ({ query }) =>
      query.get('partNumber') === '2' && failures++ === 0 ? 503 : undefined;
    await up('up-flaky').uploadAfter(always);
    expect(await bench.keys('up-flaky/')).toEqual(['up-flaky/weights.bin']);

    bench.relay.seen.length = 0;
    bench.relay.interfere = async ({ query }) => (query.get('partNumber') === '2' ? 503 : undefined);
    await expect(up('up-broken').uploadAfter(always)).rejects.toThrow(
      /up-broken.*"weights\.bin" could not be uploaded/,
    );
    expect(await bench.keys('up-broken/')).toEqual([]);
    expect(bench.relay.seen.filter(({ method, status }) => method === 'DELETE' && status === 204)).toHaveLength(1);
  });

  it.each([9 * 2 ** 20, 1000])('with compression of %i bytes is undone by the download', async (size) => {
    const content = Buffer.concat([randomBytes(size / 2), Buffer.alloc(size / 2)]);
    await bench.write('out/data.bin', content);
    const sync = bench.sync({ after: [instruction('UPLOAD', `gz-${size}`, 'out')], compression: true });
    await sync.uploadAfter(always);
    const stored = await bench.get(`gz-${size}/data.bin.gz`);
    expect(stored.ContentEncoding).toBe('gzip');
    expect(gunzipSync(await stored.Body!.transformToByteArray()).equals(content)).toBe(true);
    const back = bench.sync({ before: [instruction('DOWNLOAD', `gz-${size}`, 'back')], compression: true });
    await back.download(always);
    expect((await readFile(bench.local('back/data.bin'))).equals(content)).toBe(true);
  });

  it('does not repeat what was downloaded from the same place or uploaded before', async () => {
    await bench.put('twice/old', 'from before');
    const place = instruction('DOWNLOAD', 'twice', 'out');
    const sync = bench.sync({
      before: [place],
      during: [{ ...place, direction: 'UPLOAD' }],
      after: [{ ...place, direction: 'UPLOAD' }],
    });
    await sync.download(always);
    await bench.write('out/new', 'from now');
    await sync.flush(always);
    await sync.uploadAfter(always);
    expect(puts()).toEqual(['twice/new']);
  });

  it('copies what was downloaded from another place', async () => {
    await bench.put('source/data', 'moved');
    const sync = bench.sync({
      before: [instruction('DOWNLOAD', 'source', 'out')],
      after: [instruction('UPLOAD', 'target', 'out')],
    });
    await sync.download(always);
    await sync.uploadAfter(always);
    expect(await bench.text('target/data')).toBe('moved');
  });

  it('follows links inside the directory, not out of it and not in circles', async () => {
    await bench.write('secret', 'mine');
    await bench.write('out/step-1/model', 'weights');
    await symlink('step-1', bench.local('out/latest'));
    await symlink('.', bench.local('out/circle'));
    await symlink('../secret', bench.local('out/leak'));
    await symlink('/etc', bench.local('out/etc'));
    await up('links').uploadAfter(always);
    expect(await bench.keys('links/')).toEqual(['links/latest/model', 'links/step-1/model']);
  });
});

describe('a file that changes while it is read', () => {
  it('is not published as it was half-way, but as it is in the end', async () => {
    const path = await bench.write('out/model', Buffer.alloc(20 * 2 ** 20, 'a'));
    let rewrites = 0;
    bench.relay.interfere = async ({ query }) => {
      if (query.get('partNumber') !== '3' || rewrites > 0) return undefined;
      rewrites += 1;
      await bench.write('out/model', Buffer.alloc(20 * 2 ** 20, 'b'));
      return undefined;
    };
    await up('torn').uploadAfter(always);
    expect(new Set(await (await bench.get('torn/model')).Body!.transformToByteArray())).toEqual(
      new Set(Buffer.from('b')),
    );
    expect((await stat(path)).size).toBe(20 * 2 ** 20);
    expect(bench.relay.seen.filter(({ method, query }) => method === 'DELETE' && query.has('uploadId'))).toHaveLength(
      1,
    );
  });

  it('by growing is published as a prefix; the growth does not hold up the end', async () => {
    const path = await bench.write('out/log', Buffer.alloc(9 * 2 ** 20, 'a'));
    bench.relay.interfere = async ({ query }) => {
      if (query.has('partNumber')) await appendFile(path, 'more');
      return undefined;
    };
    await up('growing').uploadAfter(always);
    const published = await bench.text('growing/log');
    expect(published).toMatch(/^a+(more)*$/);
  });

  it('all the time is a SyncError in the end, and nothing torn is published', async () => {
    const path = await bench.write('out/model', Buffer.alloc(9 * 2 ** 20, 'a'));
    let version = 0;
    bench.relay.interfere = async ({ query }) => {
      if (query.has('partNumber')) await truncate(path, 9 * 2 ** 20 - ++version);
      return undefined;
    };
    await expect(up('restless').uploadAfter(always)).rejects.toThrow(/"model".*changed each of the 5 times/);
    expect(await bench.keys('restless/')).toEqual([]);
  });
});

describe('an upload that fails', () => {
  it('is a SyncError that names the file, after the others were published', async () => {
    await bench.write('out/bad', 'x');
    await bench.write('out/good', 'y');
    // Written long before: nothing waits for it.
    await utimes(bench.local('out/good'), 1, 1);
    bench.relay.interfere = async ({ key }) => (key === 'partly/bad' ? 500 : undefined);
    const failure: unknown = await up('partly')
      .uploadAfter(always)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SyncError);
    expect(String(failure)).toMatch(/s3:\/\/herd[-0-9a-f]*\/partly\/ <- out.*"bad"/);
  });

  it('for lack of a bucket is not repeated', async () => {
    await bench.write('out/file', 'x');
    await expect(up('x', { bucket: 'no-such-bucket' }).uploadAfter(always)).rejects.toThrow(SyncError);
    expect(puts()).toHaveLength(1);
  });

  it('because of a name that is no text is a SyncError, if the file is wanted', async () => {
    await bench.write('out/result.pt', 'r');
    await writeFile(Buffer.from(`${bench.directory()}/out/caf\xe9.tmp`, 'latin1'), 'x');
    await up('no-text-unwanted', { pattern: '*.pt' }).uploadAfter(always);
    expect(await bench.keys('no-text-unwanted/')).toEqual(['no-text-unwanted/result.pt']);
    await expect(up('no-text').uploadAfter(always)).rejects.toThrow(/not UTF-8/);
  });

  it.each([
    ['every file', {}],
    ['some files', { pattern: '*.pt' }],
  ])('because a directory cannot be read is a SyncError that names it, of %s', async (name, more) => {
    const closed = bench.local('out/closed');
    await bench.write('out/result.pt', 'r');
    await bench.write('out/closed/more.pt', 'm');
    await chmod(closed, 0);
    const sync = up(`closed-${name.replace(' ', '-')}`, more);
    await asNobody(() => expect(sync.uploadAfter(always)).rejects.toThrow(/cannot read .*out\/closed: EACCES/));
    await chmod(closed, 0o700);
    expect(await bench.keys(`closed-${name.replace(' ', '-')}/`)).toEqual([
      `closed-${name.replace(' ', '-')}/result.pt`,
    ]);
  });

  it('because the directory has vanished is a SyncError that names it', async () => {
    const sync = up('vanished');
    await sync.prepare();
    await bench.write('out/result.pt', 'r');
    await rename(bench.local('out'), bench.local('elsewhere'));
    await expect(sync.uploadAfter(always)).rejects.toThrow(/the local path .*\/out is gone/);
  });

  it.skipIf(!existsSync('/proc/self/fd'))(
    'because files come and go whenever they are looked at is a SyncError that names where',
    async () => {
      // Whoever lists this directory is listed, and is gone by then.
      const sync = bench.sync({ after: [instruction('UPLOAD', 'restless', '/proc/self/fd')] });
      await expect(sync.uploadAfter(always)).rejects.toThrow(/files in \/proc\/self\/fd came and went/);
    },
  );
});

/** Keeps this process from what only root may; one that is not root needs no help. */
async function asNobody(task: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return task();
  await chown(bench.directory(), NOBODY, NOBODY);
  process.seteuid?.(NOBODY);
  try {
    await task();
  } finally {
    process.seteuid?.(0);
  }
}

const NOBODY = 65_534;
