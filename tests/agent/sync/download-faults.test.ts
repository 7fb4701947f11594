import type { IncomingHttpHeaders } from 'node:http';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import type { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SyncError } from '../../../agent/sync/attempt-sync.ts';
import { createDisks } from '../../../agent/sync/disks.ts';
import { download } from '../../../agent/sync/download.ts';
import { createEntry } from '../../../agent/sync/entry.ts';
import { createS3Store } from '../../../agent/sync/s3.ts';
import { always, benchOfFile, eventually, instruction, type SyncGiven } from './support/bench.ts';
import type { Verdict } from './support/relay.ts';

const bench = await benchOfFile();
const { local } = bench;
const down = (prefix: string, more: SyncGiven = {}) =>
  bench.sync({ before: [instruction('DOWNLOAD', prefix, 'in')], ...more });
const gets = (key: string) => bench.relay.seen.filter((seen) => seen.method === 'GET' && seen.key === key);

/** The first `times` GETs of an object meet `verdict`. */
function trouble(key: string, verdict: Verdict, times = 1): void {
  let left = times;
  bench.relay.interfere = async (seen) =>
    seen.method === 'GET' && seen.key === key && left-- > 0 ? verdict : undefined;
}

/** Puts an object as an agent does: in parts of 8 MiB where it is large. */
async function publish(prefix: string, content: Buffer): Promise<void> {
  await bench.write(`source-${prefix}/data`, content);
  await bench.sync({ after: [instruction('UPLOAD', prefix, `source-${prefix}`)] }).uploadAfter(always);
  bench.relay.seen.length = 0;
}

describe('a download whose thread dies in the middle of a body', () => {
  it('begins anew in another one', async () => {
    const content = randomBytes(17 * 2 ** 20);
    await publish('dead', content);
    const threads: Worker[] = [];
    const note = (thread: Worker) => void threads.push(thread);
    process.on('worker', note);
    const store = createS3Store({ endpoint: bench.relay.url, region: 'us-east-1' });
    const laterGets = () => gets('dead/data').filter(({ headers }) => headers.range?.startsWith('bytes=0-') !== true);
    // Only the first of them.
    bench.relay.interfere = async (seen) => (laterGets().indexOf(seen) === 0 ? 'stall' : undefined);
    try {
      const bringing = down('dead', { store, settings: { maxRetries: 1 } }).download(always);
      await eventually(() => laterGets()[0]?.status, 20_000);
      await threads[0]?.terminate();
      await bringing;
      expect(content.equals(await readFile(local('in/data')))).toBe(true);
      expect(await readdir(local('in'))).toEqual(['data']);
      expect(threads).toHaveLength(2);
    } finally {
      process.off('worker', note);
      store.close();
    }
  });
});

describe('a download whose connection breaks in the middle of a body', () => {
  it.each([
    ['cut-small', 100_000],
    ['cut-ranged', 17 * 2 ** 20],
  ])('goes on from where it broke, with the rest of the same object: %s', async (prefix, size) => {
    const content = randomBytes(size);
    await publish(prefix, content);
    trouble(`${prefix}/data`, 'truncate');
    await down(prefix, { settings: { maxRetries: 2 } }).download(always);
    expect(content.equals(await readFile(local('in/data')))).toBe(true);
    const [first, ...others] = gets(`${prefix}/data`);
    const asked = others.map(({ headers }) => headers.range).filter((range) => range === first?.headers.range);
    expect(asked).toEqual([]);
    for (const { headers } of others) expect(headers['if-match']).toBeTruthy();
  });

  it('goes on also inside of what is expanded on the way', async () => {
    const content = randomBytes(17 * 2 ** 20);
    const sync = bench.sync({ after: [instruction('UPLOAD', 'cut-gz', 'out')], compression: true });
    await bench.write('out/data', content);
    await sync.uploadAfter(always);
    trouble('cut-gz/data.gz', 'truncate', 2);
    await down('cut-gz', { compression: true, settings: { maxRetries: 2 } }).download(always);
    expect(content.equals(await readFile(local('in/data')))).toBe(true);
    const starts = gets('cut-gz/data.gz').map(({ headers }) => headers.range?.split('-')[0]);
    expect(starts.filter((start) => start === 'bytes=0')).toHaveLength(1);
  });

  it('retries the rest a bounded number of times, and leaves no part of the file', async () => {
    await publish('cut-always', randomBytes(100_000));
    trouble('cut-always/data', 'truncate', 99);
    await expect(down('cut-always', { settings: { maxRetries: 2 } }).download(always)).rejects.toThrow(SyncError);
    expect(gets('cut-always/data')).toHaveLength(3);
    expect(await readdir(local('in'))).toEqual([]);
  });

  it('counts its retries anew after each part of a large object that did arrive', async () => {
    const content = randomBytes(9 * 2 ** 20);
    await publish('cut-often', content);
    trouble('cut-often/data', 'truncate', 3);
    await down('cut-often', { settings: { maxRetries: 1 } }).download(always);
    expect(content.equals(await readFile(local('in/data')))).toBe(true);
  });
});

describe('an object that is replaced during its download', () => {
  it.each(['looks', 'does not look'])('is brought as one of the two, where the store %s at If-Match', async (looks) => {
    const prefix = `replaced-${looks.length}`;
    const key = `${prefix}/data`;
    const newer = Buffer.alloc(17 * 2 ** 20, 'b');
    await publish(prefix, Buffer.alloc(newer.length, 'a'));
    let answers = 0;
    // Of downloads alone: in an upload's completion it is signed.
    const withoutCondition = (headers: IncomingHttpHeaders) =>
      headers.range === undefined ? headers : { ...headers, 'if-match': undefined };
    if (looks !== 'looks') bench.relay.rewrite = withoutCondition;
    bench.relay.interfere = async (seen) => {
      if (seen.method === 'GET' && seen.key === key && ++answers === 2) await publish(prefix, newer);
      return undefined;
    };
    await down(prefix, { settings: { maxRetries: 2 } }).download(always);
    expect((await readFile(local('in/data'))).equals(newer)).toBe(true);
    expect(answers).toBe(4);
  });

  it('by an empty one, after it was listed as a large one, is empty', async () => {
    await publish('emptied', randomBytes(17 * 2 ** 20));
    bench.relay.interfere = async ({ method, key }) => {
      if (method === 'GET' && key === 'emptied/data') await bench.put(key, '');
      return undefined;
    };
    await down('emptied').download(always);
    expect((await readFile(local('in/data'))).length).toBe(0);
  });
});

describe('an answer that is not what the store has', () => {
  it.each(['short', 'damage'] as const)('is fetched again: %s', async (verdict) => {
    const content = randomBytes(50_000);
    await bench.put(`${verdict}/data`, content);
    trouble(`${verdict}/data`, verdict);
    await down(verdict).download(always);
    expect(content.equals(await readFile(local('in/data')))).toBe(true);
  });

  it.each(['short', 'damage'] as const)('of compressed data is fetched again: %s', async (verdict) => {
    const content = randomBytes(50_000);
    await bench.put(`${verdict}-gz/data.gz`, gzipSync(content), { ContentEncoding: 'gzip' });
    trouble(`${verdict}-gz/data.gz`, verdict);
    await down(`${verdict}-gz`, { compression: true }).download(always);
    expect(content.equals(await readFile(local('in/data')))).toBe(true);
  });

  it('is no fault when only the ETag looks like a digest and is none', async () => {
    await bench.put('opaque/data', 'encrypted by the store');
    const etag = '"00112233445566778899aabbccddeeff"';
    bench.relay.rewriteAnswer = (headers) => ({ ...headers, etag });
    await down('opaque', { settings: { maxRetries: 1 } }).download(always);
    expect(await readFile(local('in/data'), 'utf8')).toBe('encrypted by the store');
    expect(gets('opaque/data')).toHaveLength(2);
  });
});

describe('a store that says no', () => {
  it.each([
    ['InternalError', 500],
    ['SlowDown', 503],
  ])('for now (%s) is asked again', async (code, status) => {
    await bench.put(`${code}/data`, 'x');
    trouble(`${code}/data`, { status, code }, 2);
    await down(code, { settings: { maxRetries: 2 } }).download(always);
    expect(await readFile(local('in/data'), 'utf8')).toBe('x');
  });

  it('for good (AccessDenied) is not asked again, and the download is incomplete', async () => {
    await bench.put('denied/data', 'x');
    trouble('denied/data', { status: 403, code: 'AccessDenied' }, 99);
    await expect(down('denied', { settings: { maxRetries: 9 } }).download(always)).rejects.toThrow(SyncError);
    expect(gets('denied/data')).toHaveLength(1);
  });

  it('with silence in the middle of a body is asked again', async () => {
    await bench.put('silent/data', 'x'.repeat(100_000));
    trouble('silent/data', 'stall');
    const store = createS3Store({ endpoint: bench.relay.url, region: 'us-east-1', stallMs: 300 });
    await down('silent', { store, settings: { maxRetries: 9 } }).download(always);
    expect((await readFile(local('in/data'))).length).toBe(100_000);
    expect(gets('silent/data').length).toBeGreaterThan(1);
    store.close();
  });
});

describe('a list that is older than the bucket', () => {
  it('is read again where it names what is gone', async () => {
    await bench.put('stale/step-1', 'one');
    await bench.put('stale/step-2', 'two');
    bench.relay.interfere = async ({ query }) => {
      if (!query.has('list-type')) return undefined;
      bench.relay.interfere = async ({ method, key }) => {
        if (method === 'GET' && key === 'stale/step-1') await bench.remove('stale/step-1');
        return undefined;
      };
      return undefined;
    };
    await down('stale').download(always);
    expect(await readdir(local('in'))).toEqual(['step-2']);
    expect(gets('stale/step-2')).toHaveLength(1);
  });

  it('that goes on naming what the store does not have is an incomplete download', async () => {
    await bench.put('ghost/step-1', 'one');
    trouble('ghost/step-1', { status: 404, code: 'NoSuchKey' }, 99);
    await expect(down('ghost', { settings: { maxRetries: 1 } }).download(always)).rejects.toThrow(
      /"ghost\/step-1" listed, but the store has no such object/,
    );
  });
});

describe('what the lists of a job name', () => {
  const ignore = () => undefined;
  const bounded = (objects: number, prefixes: string[]) =>
    download(
      {
        ...{ store: bench.store, disks: createDisks(60_000), concurrency: 2, signal: always, onFile: ignore },
        policy: { maxRetries: 1, log: { debug: ignore, info: ignore, warn: ignore, error: ignore } },
        onPlanned: () => ({ moved: ignore, done: ignore, dropped: ignore }),
        mostListed: { objects, bytes: 1_000 },
      },
      prefixes.map((prefix) => createEntry(instruction('DOWNLOAD', prefix, prefix), bench.directory(), false)),
    );

  it('is bounded over all entries together, before the first object is fetched', async () => {
    for (const key of ['many-1/a', 'many-1/b', 'many-2/c', 'many-2/d']) await bench.put(key, 'x');
    await expect(bounded(3, ['many-1', 'many-2'])).rejects.toThrow(
      /many-2\/ .*at most 3 objects in all entries together/,
    );
    expect(bench.relay.seen.every(({ query }) => query.has('list-type'))).toBe(true);
    await bounded(4, ['many-1', 'many-2']);
    expect(await readdir(local('many-2'))).toEqual(['c', 'd']);
  });

  it('counts once what is listed again, because it was not there yet', async () => {
    for (const key of ['late/a', 'late/b']) await bench.put(key, 'x');
    trouble('late/b', { status: 404, code: 'NoSuchKey' });
    await bounded(2, ['late']);
    expect(await readdir(local('late'))).toEqual(['a', 'b']);
  });
});

describe('what a download of an agent that died has left', () => {
  it('is removed by the next one, and what only looks like it is kept', async () => {
    await bench.put('leftover/deep/data', 'x');
    await mkdir(local('in/deep'), { recursive: true });
    const part = '.kelpie-part-6d7d2b0c-98a5-4d0e-9f29-6f7f5f9d1c0a';
    for (const path of [part, `deep/${part}`, '.kelpie-part-notes', `deep/x${part}`])
      await writeFile(local(`in/${path}`), '');
    await down('leftover').download(always);
    expect((await readdir(local('in'), { recursive: true })).sort()).toEqual(
      ['.kelpie-part-notes', 'deep', 'deep/data', `deep/x${part}`].sort(),
    );
  });
});
