import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createS3Store, type ObjectStore } from '../../../agent/sync/s3.ts';
import { always, BUCKET, type Bench, eventually, instruction, startBench } from './support/bench.ts';

let bench: Bench;
let store: ObjectStore;
beforeAll(async () => {
  bench = await startBench();
  store = createS3Store({ endpoint: bench.relay.url, region: 'us-east-1' });
});
afterAll(() => {
  store.close();
  return bench.stop();
});
beforeEach(() => bench.fresh());
afterEach(() => bench.clear());

const HEADERS = { contentType: 'application/octet-stream' };
const from = new Date('2026-01-01T10:00:00Z');
const until = new Date('2026-01-01T12:00:00Z');
const between = '2026-01-01T11:00:00.000Z';

interface Begun {
  key: string;
  at?: string;
}

/** Begins real uploads, and lists them as begun at the given times: the development store does not list any. */
async function begin(uploads: readonly Begun[], pageSize = 1000): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const listed: string[] = [];
  for (const { key, at = between } of uploads) {
    // Some stores refuse such a key, others may have one.
    const isHostile = key.includes('/../');
    const id = isHostile ? randomUUID() : await store.createMultipart({ bucket: BUCKET, key }, HEADERS, always);
    ids.set(id, key);
    const encoded = encodeURIComponent(key);
    listed.push(`<Upload><Key>${encoded}</Key><UploadId>${id}</UploadId><Initiated>${at}</Initiated></Upload>`);
  }
  bench.relay.answer = ({ method, key, query }) => {
    if (method !== 'GET' || key !== '' || !query.has('uploads')) return undefined;
    const start = Number(query.get('key-marker') ?? 0);
    const end = start + pageSize;
    const isMore = end < listed.length;
    const next = isMore ? `<NextKeyMarker>${end}</NextKeyMarker><NextUploadIdMarker>x</NextUploadIdMarker>` : '';
    return `<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>${isMore}</IsTruncated>${next}${listed.slice(start, end).join('')}</ListMultipartUploadsResult>`;
  };
  bench.relay.seen.length = 0;
  return ids;
}

function discarded(ids: ReadonlyMap<string, string>): string[] {
  const gone = bench.relay.seen.filter(({ method }) => method === 'DELETE');
  expect(gone.filter(({ status }) => status !== 204)).toEqual([]);
  return gone.map(({ query }) => ids.get(query.get('uploadId') ?? '') ?? 'of nobody').sort();
}

it('an attempt discards the uploads that earlier ones of its job had begun, and no other', async () => {
  const ids = await begin([
    { key: 'left/step-1.ckpt' },
    { key: 'left/deep/step 2+.ckpt' },
    { key: 'left/early.ckpt', at: '2026-01-01T09:59:59.000Z' },
    { key: 'left/late.ckpt', at: '2026-01-01T12:00:00.000Z' },
    { key: 'left/other.log' },
    { key: 'left/../escape.ckpt' },
    { key: 'out/result' },
  ]);
  const sync = bench.sync({
    before: [instruction('DOWNLOAD', 'data', 'data')],
    during: [instruction('UPLOAD', 'left', 'ckpt', { pattern: '*.ckpt' })],
    after: [instruction('UPLOAD', 'out', 'out')],
    earlier: { from, until },
  });
  await sync.prepare();
  await sync.watch();
  expect(discarded(ids)).toEqual(['left/deep/step 2+.ckpt', 'left/step-1.ckpt', 'out/result']);
  const asked = bench.relay.seen.filter(({ method, query }) => method === 'GET' && query.has('uploads'));
  expect(asked.map(({ query }) => query.get('prefix'))).toEqual(['left/', 'out/']);
});

it('all pages are looked at, and of compressed files the names with their ending', async () => {
  const names = Array.from({ length: 5 }, (_, index) => ({ key: `paged/${index}.bin.gz` }));
  const ids = await begin([...names, { key: 'paged/plain.bin' }], 2);
  const during = [instruction('UPLOAD', 'paged', 'ckpt', { pattern: '*.bin' })];
  const sync = bench.sync({ during, compression: true, earlier: { from, until } });
  await sync.prepare();
  await sync.watch();
  expect(discarded(ids)).toEqual(names.map(({ key }) => key));
});

it('a first attempt asks for nothing', async () => {
  const ids = await begin([{ key: 'first/a' }]);
  const sync = bench.sync({ during: [instruction('UPLOAD', 'first', 'ckpt')] });
  await sync.prepare();
  await sync.watch();
  expect(discarded(ids)).toEqual([]);
  expect(bench.relay.seen.some(({ query }) => query.has('uploads'))).toBe(false);
});

it.each([403, 501])(
  'a store that does not list uploads (%i) is no fault, and nothing that anybody has to read',
  async (status) => {
    bench.relay.interfere = async ({ query }) => (query.has('uploads') ? status : undefined);
    const sync = bench.sync({ during: [instruction('UPLOAD', 'unlisted', 'ckpt')], earlier: { from, until } });
    await sync.prepare();
    await sync.watch();
    await sync.flush(always);
    expect(bench.logged.map(({ level }) => level)).toEqual(['debug']);
  },
);

it('nothing is discarded without proof of the lease', async () => {
  const ids = await begin([{ key: 'fenced/a' }]);
  const sync = bench.sync({ during: [instruction('UPLOAD', 'fenced', 'ckpt')], earlier: { from, until } });
  await sync.prepare();
  await sync.suspend();
  const watching = sync.watch();
  await eventually(() => bench.relay.seen.length > 0);
  expect(discarded(ids)).toEqual([]);
  sync.resume();
  await watching;
  expect(discarded(ids)).toEqual(['fenced/a']);
});
