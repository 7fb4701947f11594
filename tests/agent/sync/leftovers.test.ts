import { randomBytes, randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { always, benchOfFile, BUCKET, eventually, instruction } from './support/bench.ts';

const bench = await benchOfFile();
const { store } = bench;

const HEADERS = { contentType: 'application/octet-stream' };
const from = new Date('2026-01-01T10:00:00Z');
const until = new Date('2026-01-01T12:00:00Z');
const between = '2026-01-01T11:00:00.000Z';

interface Begun {
  key: string;
  at?: string;
}

/** Begins real uploads, and lists them as begun at the given times: the development store lists neither uploads nor parts. */
async function begin(uploads: readonly Begun[], pageSize = 1000): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const listed: Listed[] = [];
  for (const { key, at = between } of uploads) {
    // Some stores refuse such a key, others may have one.
    const isHostile = key.includes('/../');
    const id = isHostile ? randomUUID() : await store.createMultipart({ bucket: BUCKET, key }, HEADERS, always);
    ids.set(id, key);
    listed.push({ key, id, at });
  }
  list(listed, pageSize);
  bench.relay.seen.length = 0;
  return ids;
}

interface Listed {
  key: string;
  id: string;
  at: string;
}

function list(uploads: readonly Listed[], pageSize = 1000): void {
  const listed = uploads.map(
    ({ key, id, at }) =>
      `<Upload><Key>${encodeURIComponent(key)}</Key><UploadId>${id}</UploadId><Initiated>${at}</Initiated></Upload>`,
  );
  bench.relay.answer = ({ method, key, query }) => {
    if (method !== 'GET') return undefined;
    if (query.has('uploadId')) return listOfParts(query.get('uploadId'));
    if (key !== '' || !query.has('uploads')) return undefined;
    const start = Number(query.get('key-marker') ?? 0);
    const end = start + pageSize;
    const isMore = end < listed.length;
    const next = isMore ? `<NextKeyMarker>${end}</NextKeyMarker><NextUploadIdMarker>x</NextUploadIdMarker>` : '';
    return `<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>${isMore}</IsTruncated>${next}${listed.slice(start, end).join('')}</ListMultipartUploadsResult>`;
  };
}

/** Those that have arrived, all of them just now. */
function listOfParts(uploadId: string | null): string {
  const arrived = bench.relay.seen.filter(
    ({ query, status }) => query.get('uploadId') === uploadId && query.has('partNumber') && status === 200,
  );
  const now = new Date().toISOString();
  const parts = arrived.map(
    ({ query }) =>
      `<Part><PartNumber>${query.get('partNumber')}</PartNumber><LastModified>${now}</LastModified><Size>1</Size></Part>`,
  );
  return `<ListPartsResult><IsTruncated>false</IsTruncated>${parts.join('')}</ListPartsResult>`;
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

/** Another job's upload, of which one part has arrived, and the next one waits for `release`. */
async function sending(prefix: string, content: Buffer) {
  const others = bench.sync({ during: [instruction('UPLOAD', prefix, 'ckpt')], jobId: 'another-job' });
  await bench.write('ckpt/model', content);
  const begun = Promise.withResolvers<string>();
  const release = Promise.withResolvers<undefined>();
  bench.relay.interfere = async ({ query }) => {
    if (query.get('partNumber') !== '2') return undefined;
    await eventually(() =>
      bench.relay.seen.some((seen) => seen.query.get('partNumber') === '1' && seen.status === 200),
    );
    begun.resolve(query.get('uploadId') ?? '');
    return release.promise;
  };
  const done = others.flush(always);
  return { uploadId: await begun.promise, release: () => release.resolve(undefined), done };
}

it('what another job is sending under the same prefix is left alone', async () => {
  const { uploadId, release, done } = await sending('shared', randomBytes(9 * 2 ** 20));
  list([{ key: 'shared/model', id: uploadId, at: between }]);
  const sync = bench.sync({ during: [instruction('UPLOAD', 'shared', 'own')], earlier: { from, until } });
  await sync.prepare();
  await sync.watch();
  expect(discarded(new Map())).toEqual([]);
  expect(bench.relay.seen.filter(({ method, query }) => method === 'GET' && query.has('uploadId'))).toHaveLength(1);
  release();
  await done;
  expect(await bench.keys('shared/')).toEqual(['shared/model']);
  expect(bench.relay.seen.filter(({ query }) => query.has('partNumber'))).toHaveLength(2);
});

it('what is discarded while it is sent is sent once more, and arrives whole', async () => {
  const content = randomBytes(9 * 2 ** 20);
  const { uploadId, release, done } = await sending('discarded', content);
  await store.abortMultipart({ bucket: BUCKET, key: 'discarded/model' }, uploadId, always);
  release();
  await done;
  const stored = await (await bench.get('discarded/model')).Body!.transformToByteArray();
  expect(content.equals(stored)).toBe(true);
});

it('what was killed just before the attempt began is discarded in the end', async () => {
  const nearly = new Date(until.getTime() - 10 * 60_000 + 2_000).toISOString();
  const ids = await begin([{ key: 'fresh/model', at: nearly }]);
  const sync = bench.sync({ after: [instruction('UPLOAD', 'fresh', 'out')], earlier: { from, until } });
  await sync.prepare();
  await sync.watch();
  expect(discarded(ids)).toEqual([]);
  const deletions = () => bench.relay.seen.filter(({ method }) => method === 'DELETE');
  await eventually(async () => {
    if (deletions().length === 0) await sync.uploadAfter(always);
    return deletions().some(({ status }) => status === 204);
  });
  await sync.stop();
  expect(new Set(deletions().map(({ key }) => key))).toEqual(new Set(['fresh/model']));
});

// The embedded store lists neither uploads nor parts.
it.runIf(process.env.KELPIE_TEST_S3_ENDPOINT)('a real store is asked what is left, and by its own times', async () => {
  const [empty, begun] = ['asked/empty', 'asked/begun'].map((key) => ({ bucket: BUCKET, key }));
  const ids = [empty, begun].map((address) => store.createMultipart(address!, HEADERS, always));
  const [ofEmpty = '', ofBegun = ''] = await Promise.all(ids);
  const before = Date.now();
  const content = randomBytes(5 * MIB);
  await store.uploadPart(begun!, { uploadId: ofBegun, number: 1, body: { content } }, always);
  expect(await store.lastPart(empty!, ofEmpty, always)).toBeUndefined();
  // Stores give the second alone.
  expect((await store.lastPart(begun!, ofBegun, always))?.getTime()).toBeGreaterThan(before - 2_000);
  const left = async () => {
    const { uploads } = await store.listUploads(BUCKET, 'asked/', undefined, always);
    return uploads.map(({ uploadId }) => uploadId).sort();
  };
  expect(await left()).toEqual([ofEmpty, ofBegun].sort());
  const attempt = async (minutes: number) => {
    const until = new Date(Date.now() + minutes * MINUTE_MS);
    const earlier = { from: new Date(before - MINUTE_MS), until };
    const sync = bench.sync({ during: [instruction('UPLOAD', 'asked', 'out')], earlier });
    await sync.prepare();
    await sync.watch();
    await sync.stop();
  };
  await attempt(5);
  expect(await left()).toEqual([ofEmpty, ofBegun].sort());
  await attempt(15);
  expect(await left()).toEqual([]);
});

const MIB = 2 ** 20;
const MINUTE_MS = 60_000;
