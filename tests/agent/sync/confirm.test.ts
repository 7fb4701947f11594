import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { looksComparable } from '../../../agent/sync/etag.ts';
import type { ObjectStore } from '../../../agent/sync/s3.ts';
import type { Relayed } from './support/relay.ts';
import { always, benchOfFile, BUCKET, instruction } from './support/bench.ts';

const bench = await benchOfFile();
const { store } = bench;

const isLookup = ({ method, query }: Relayed) => method === 'HEAD' || (method === 'GET' && query.has('list-type'));
const lookups = () => bench.relay.seen.filter(isLookup).map(({ method }) => method);
const begins = ({ method, query }: Relayed) =>
  (method === 'PUT' && !query.has('partNumber')) || (method === 'POST' && query.has('uploads'));
const sent = (key: string) => bench.relay.seen.filter((seen) => seen.key === key && begins(seen)).length;

/** A real store that loses, `times` times, what it has just acknowledged. */
function forgetful(key: string, times: number): ObjectStore {
  let left = times;
  const lose = async (signal: AbortSignal) => {
    if (left-- > 0) await store.delete({ bucket: BUCKET, key }, signal);
  };
  return {
    ...store,
    async put(address, body, headers, signal) {
      const etag = await store.put(address, body, headers, signal);
      if (address.key === key) await lose(signal);
      return etag;
    },
    async completeMultipart(address, completion, signal) {
      const etag = await store.completeMultipart(address, completion, signal);
      if (address.key === key) await lose(signal);
      return etag;
    },
  };
}

describe('what the store has acknowledged', () => {
  it('is looked up at the end: a single file by itself, many by one listing', async () => {
    const single = bench.sync({ after: [instruction('UPLOAD', 'single', 'one')] });
    await bench.write('one/a', 'a');
    await single.uploadAfter(always);
    expect(lookups()).toEqual(['HEAD']);
    bench.relay.seen.length = 0;
    const many = bench.sync({ after: [instruction('UPLOAD', 'many', 'out')] });
    for (const name of ['a', 'b', 'deep/c', 'd e+f%']) await bench.write(`out/${name}`, name);
    await many.uploadAfter(always);
    expect(lookups()).toEqual(['GET']);
  });

  it.each([
    ['a small file', 'x', false],
    ['a file of several parts', randomBytes(9 * 2 ** 20), false],
    ['a compressed file', 'compressed', true],
  ])('and lost is published again: %s', async (name, content, compression) => {
    const key = `lost/${name}/b${compression ? '.gz' : ''}`;
    const sync = bench.sync({
      during: [instruction('UPLOAD', `lost/${name}`, 'ckpt')],
      after: [instruction('UPLOAD', `lost/${name}-after`, 'out')],
      store: forgetful(key, 1),
      compression,
    });
    await sync.prepare();
    await bench.write('ckpt/a', 'a');
    await bench.write('ckpt/b', content);
    await sync.flush(always);
    expect((await bench.keys(`lost/${name}/`)).includes(key)).toBe(false);
    await sync.uploadAfter(always);
    expect((await bench.keys(`lost/${name}/`)).includes(key)).toBe(true);
    expect(sent(key)).toBe(2);
    expect(bench.logged.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('and replaced by an older object is published again', async () => {
    await bench.put('stale/model', 'old content');
    const stale: ObjectStore = {
      ...store,
      async put(address, body, headers, signal) {
        const etag = await store.put(address, body, headers, signal);
        if (sent('stale/model') === 1) await bench.put('stale/model', 'old content');
        return etag;
      },
    };
    const sync = bench.sync({ after: [instruction('UPLOAD', 'stale', 'out')], store: stale });
    await bench.write('out/model', 'new content');
    await sync.uploadAfter(always);
    expect(await bench.text('stale/model')).toBe('new content');
  });

  it('and loses every time is a SyncError that says so', async () => {
    const sync = bench.sync({
      after: [instruction('UPLOAD', 'hopeless', 'out')],
      store: forgetful('hopeless/a', Infinity),
    });
    await bench.write('out/a', 'a');
    await expect(sync.uploadAfter(always)).rejects.toThrow(
      /the store acknowledged herd[-0-9a-f]*\/hopeless\/a 4 times, and has it/,
    );
  });

  it('and lost when the file is gone as well is a SyncError that names both', async () => {
    const lossy = forgetful('lost-twice/a', 1);
    const forgetting: ObjectStore = {
      ...lossy,
      async put(address, ...rest) {
        const etag = await lossy.put(address, ...rest);
        if (address.key === 'lost-twice/a') await rm(bench.local('out/a'));
        return etag;
      },
    };
    const sync = bench.sync({ after: [instruction('UPLOAD', 'lost-twice', 'out')], store: forgetting });
    await bench.write('out/a', 'a');
    await bench.write('out/b', 'b');
    await expect(sync.uploadAfter(always)).rejects.toThrow(/lost-twice\/a and has it not, and .*out\/a is gone/);
  });

  it('is not looked up where this attempt has not put it there', async () => {
    await bench.put('given/a', 'a');
    const sync = bench.sync({
      before: [instruction('DOWNLOAD', 'given', 'ckpt')],
      during: [instruction('UPLOAD', 'given', 'ckpt')],
    });
    await sync.prepare();
    await sync.download(always);
    bench.relay.seen.length = 0;
    await sync.flush(always);
    await sync.uploadAfter(always);
    expect(lookups()).toEqual([]);
  });

  it('is believed where the key may write but not look', async () => {
    bench.relay.interfere = async (seen) => (isLookup(seen) ? 403 : undefined);
    const sync = bench.sync({ after: [instruction('UPLOAD', 'blind', 'out')] });
    await bench.write('out/a', 'a');
    await bench.write('out/b', 'b');
    await sync.uploadAfter(always);
    expect(await bench.keys('blind/')).toEqual(['blind/a', 'blind/b']);
  });

  it('is not believed where the store cannot be asked', async () => {
    bench.relay.interfere = async (seen) => (isLookup(seen) ? 503 : undefined);
    const sync = bench.sync({ after: [instruction('UPLOAD', 'mute', 'out')], settings: { maxRetries: 0 } });
    await bench.write('out/a', 'a');
    await expect(sync.uploadAfter(always)).rejects.toThrow(/herd[-0-9a-f]*\/mute\/a: the store could not be asked/);
  });

  it('is asked for one by one where the listing lags behind', async () => {
    const empty = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
    bench.relay.answer = ({ query }) => (query.has('list-type') ? empty : undefined);
    const sync = bench.sync({ after: [instruction('UPLOAD', 'lagging', 'out')] });
    await bench.write('out/a', 'a');
    await bench.write('out/b', 'b');
    await sync.uploadAfter(always);
    expect(lookups()).toEqual(['GET', 'HEAD', 'HEAD']);
    expect([sent('lagging/a'), sent('lagging/b')]).toEqual([1, 1]);
  });

  it('costs no more pages than objects below a prefix that is full of others', async () => {
    const page = (next: string) =>
      `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${next}</NextContinuationToken></ListBucketResult>`;
    bench.relay.answer = ({ query }) => (query.has('list-type') ? page('more') : undefined);
    const sync = bench.sync({ after: [instruction('UPLOAD', 'crowded', 'out')] });
    for (const name of ['a', 'b', 'c']) await bench.write(`out/${name}`, name);
    await sync.uploadAfter(always);
    expect(lookups().filter((method) => method === 'GET').length).toBeLessThanOrEqual(4);
  });
});

it('two ETags say that contents differ only where both are made in the same way', () => {
  const md5 = '"9e107d9d372bb6826bd81d3542a419d6"';
  expect(looksComparable(md5, '"e4d909c290d0fb1ca068ffaddf22cbd0"')).toBe(true);
  expect(looksComparable(md5, 'W/"E4D909C290D0FB1CA068FFADDF22CBD0"')).toBe(true);
  expect(looksComparable(md5, '"e4d909c290d0fb1ca068ffaddf22cbd0-2"')).toBe(false);
  expect(looksComparable(md5, '"0x8DC2A1B"')).toBe(false);
});
