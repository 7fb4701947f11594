import { lstat, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SyncError } from '../../../agent/sync/attempt-sync.ts';
import { always, benchOfFile, instruction } from './support/bench.ts';

const bench = await benchOfFile();
const { local } = bench;
const down = (prefix: string, more = {}) => bench.sync({ before: [instruction('DOWNLOAD', prefix, 'in', more)] });

describe('a download', () => {
  it('brings every object, whatever its name, and nothing beside the prefix', async () => {
    const names = [
      'a.txt',
      'deep/er/b.txt',
      'with space',
      'hash#percent%20',
      'naïve ☃',
      'two\nlines',
      'plus+and&',
      'empty',
    ];
    for (const name of names) await bench.put(`names/${name}`, name === 'empty' ? '' : `content of ${name}`);
    await bench.put('names-not/x', 'no');
    const sync = down('names');
    await sync.prepare();
    await sync.download(always);
    for (const name of names) {
      expect(await readFile(local(`in/${name}`), 'utf8')).toBe(name === 'empty' ? '' : `content of ${name}`);
    }
    expect((await readdir(local('in'))).sort()).toEqual([...new Set(names.map((name) => name.split('/')[0]))].sort());
    expect(sync.counts()).toMatchObject({ filesDownloaded: names.length });
  });

  it('of the root of a bucket, by a pattern, brings what matches', async () => {
    await bench.put('pattern/keep.bin', 'yes');
    await bench.put('pattern/drop.txt', 'no');
    await bench.sync({ before: [instruction('DOWNLOAD', '', 'in', { pattern: 'pattern/*.bin' })] }).download(always);
    expect(await readdir(local('in/pattern'))).toEqual(['keep.bin']);
  });

  it('sees more than one page', async () => {
    await Promise.all(Array.from({ length: 1005 }, (_, index) => bench.put(`pages/${index}`, String(index))));
    await down('pages/', { pattern: '{0,500,99?}' }).download(always);
    expect((await readdir(local('in'))).length).toBe(12);
    expect(bench.relay.seen.filter(({ query }) => query.has('list-type'))).toHaveLength(2);
  });

  it('makes directories of empty objects with a slash at the end', async () => {
    await bench.put('folders/', '');
    await bench.put('folders/empty/', '');
    await down('folders/').download(always);
    expect((await lstat(local('in/empty'))).isDirectory()).toBe(true);
  });

  it('fetches a large object in ranges that belong together', async () => {
    const content = randomBytes(20 * 2 ** 20);
    const sync = bench.sync({
      before: [instruction('DOWNLOAD', 'large', 'in')],
      after: [instruction('UPLOAD', 'large', 'in')],
    });
    await bench.write('in/weights.bin', content);
    await sync.uploadAfter(always);
    const again = bench.sync({ before: [instruction('DOWNLOAD', 'large', 'back')] });
    await again.download(always);
    expect(content.equals(await readFile(local('back/weights.bin')))).toBe(true);
    expect(again.counts().bytesDownloaded).toBe(content.length);
  });

  it('expands what was compressed and leaves alone what only looks like it', async () => {
    await bench.put('zip/data.csv.gz', gzipSync('1,2,3'), { ContentEncoding: 'gzip' });
    await bench.put('zip/archive.tar.gz', gzipSync('raw'));
    await bench.put('zip/plain.txt', 'plain');
    const sync = bench.sync({ before: [instruction('DOWNLOAD', 'zip', 'in')], compression: true });
    await sync.download(always);
    expect(await readFile(local('in/data.csv'), 'utf8')).toBe('1,2,3');
    expect((await readFile(local('in/archive.tar.gz'))).equals(gzipSync('raw'))).toBe(true);
    expect(await readFile(local('in/plain.txt'), 'utf8')).toBe('plain');
  });
});

describe('a key that would leave the directory', () => {
  // The store under test does not take such keys, so its list is written by hand.
  const listing = (key: string) =>
    `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>${key}</Key><Size>4</Size></Contents></ListBucketResult>`;

  it.each(['evil/../../x', 'evil//etc/passwd', 'evil/a/../../../x', 'evil/./x', 'other/x', 'evil/a/..'])(
    '%s is refused before anything is written',
    async (key) => {
      bench.relay.answer = (seen) => (seen.query.has('list-type') ? listing(key) : undefined);
      await expect(down('evil').download(always)).rejects.toThrow(SyncError);
      expect(bench.relay.seen.some(({ query }) => !query.has('list-type'))).toBe(false);
      await expect(lstat(local('in'))).rejects.toThrow('ENOENT');
    },
  );

  it.each(['gz/...gz', 'gz/a/..gz', 'gz/.gz'])('once its .gz is taken off keeps it: %s', async (key) => {
    await bench.put(key, gzipSync('data'), { ContentEncoding: 'gzip' });
    const entry = instruction('DOWNLOAD', 'gz', 'in', { pattern: key.slice(3) });
    await bench.sync({ before: [entry], compression: true }).download(always);
    expect((await readFile(local(`in/${key.slice(3)}`))).equals(gzipSync('data'))).toBe(true);
  });

  it('because of a link on the way is refused', async () => {
    await bench.put('linked/out/x', 'data');
    await mkdir(local('in'));
    await mkdir(local('elsewhere'));
    await symlink(local('elsewhere'), local('in/out'));
    await expect(down('linked').download(always)).rejects.toThrow(/linked\/out\/x.*is a link/);
    expect(await readdir(local('elsewhere'))).toEqual([]);
  });
});

describe('an incomplete download', () => {
  it('is a SyncError that names entry, key and cause, and leaves no part of the file', async () => {
    await bench.put('broken/ok', 'fine');
    await bench.put('broken/bad', 'never arrives');
    bench.relay.interfere = async ({ key, method }) => (method === 'GET' && key === 'broken/bad' ? 500 : undefined);
    const failure: unknown = await down('broken')
      .download(always)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SyncError);
    expect(String(failure)).toMatch(/s3:\/\/herd[-0-9a-f]*\/broken\/ -> in.*"broken\/bad"/);
    expect((await readdir(local('in'))).filter((name) => name !== 'ok')).toEqual([]);
  });

  it('is tried again: a connection cut in the middle is not a shorter file', async () => {
    await bench.put('cut/file', 'x'.repeat(100_000));
    let cuts = 0;
    bench.relay.interfere = async ({ key }) => (key === 'cut/file' && cuts++ === 0 ? 'truncate' : undefined);
    await down('cut').download(always);
    expect((await readFile(local('in/file'))).length).toBe(100_000);
    expect(cuts).toBe(2);
  });

  it('of a bucket that does not exist is a SyncError at once', async () => {
    await expect(down('x', { bucket: 'no-such-bucket' }).download(always)).rejects.toThrow(
      /no-such-bucket.*could not be listed/,
    );
    expect(bench.relay.seen).toHaveLength(1);
  });

  it('ends with the reason of the signal when it is aborted', async () => {
    await bench.put('slow/file', 'x');
    const abort = new AbortController();
    bench.relay.interfere = ({ key }) =>
      key === 'slow/file' ? new Promise(() => abort.abort(new Error('cancelled'))) : undefined;
    await expect(down('slow').download(abort.signal)).rejects.toThrow('cancelled');
  });
});
