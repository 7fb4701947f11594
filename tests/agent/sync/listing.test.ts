import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createEntry } from '../../../agent/sync/entry.ts';
import { createListingBudget, listPicked } from '../../../agent/sync/listing.ts';
import { createS3Store, type ObjectStore, type StoredObject } from '../../../agent/sync/s3.ts';
import { instruction } from './support/bench.ts';

/** A store with buckets that go on for ever: by pages, empty ones, the same one, and by a single page that does. */
const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://store');
  response.writeHead(200, { 'Content-Type': 'application/xml' });
  response.write('<ListBucketResult><IsTruncated>true</IsTruncated>');
  if (pathname.startsWith('/again')) {
    response.end('<NextContinuationToken>again</NextContinuationToken></ListBucketResult>');
    return;
  }
  const from = Number(searchParams.get('continuation-token') ?? 0);
  const contents = Array.from({ length: 1_000 }, (_, n) => contentOf(from + n)).join('');
  if (pathname.startsWith('/empty')) {
    response.end(`<NextContinuationToken>${from + 1}</NextContinuationToken></ListBucketResult>`);
    return;
  }
  if (pathname.startsWith('/pages')) {
    response.end(`<NextContinuationToken>${from + 1_000}</NextContinuationToken>${contents}</ListBucketResult>`);
    return;
  }
  const more = (): void => {
    while (!response.destroyed && response.write(contents));
    response.once('drain', more);
  };
  more();
});
let store: ObjectStore;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // A TCP server's address is never a pipe's name.
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  store = createS3Store({ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1' });
});
afterAll(() => {
  vi.unstubAllEnvs();
  store.close();
  server.closeAllConnections();
  server.close();
});

const ignore = () => undefined;
const policy = { maxRetries: 0, log: { debug: ignore, info: ignore, warn: ignore, error: ignore } };
const signal = new AbortController().signal;
const entryOf = (bucket: string) =>
  createEntry({ ...instruction('DOWNLOAD', 'run', 'in'), bucket, pattern: '*.pt' }, '/work', false);
const every = (object: StoredObject) => object;

test.each([
  ['objects', { objects: 2_500, bytes: 2 ** 20 }],
  ['bytes of names', { objects: 1_000_000, bytes: 40_000 }],
])('of a list without end no more is kept than so many %s, and the fault names the entry', async (_of, most) => {
  let seen = 0;
  const counted = (object: StoredObject) => ((seen += 1), object);
  const budget = createListingBudget(most);
  const listed = listPicked({ store, policy, signal, budget }, entryOf('pages'), counted);
  await expect(listed).rejects.toThrow(
    `s3://pages/run/ -> in (*.pt): expected at most ${most.objects} objects in all entries together, with ${most.bytes} bytes of names`,
  );
  expect(seen).toBeLessThanOrEqual(2_501);
});

test('what an entry does not want is not kept, however much there is of it', async () => {
  const controller = new AbortController();
  let seen = 0;
  const listed = listPicked(
    { store, policy, signal: controller.signal, budget: createListingBudget({ objects: 600, bytes: 1_000 }) },
    entryOf('pages'),
    (object) => {
      seen += 1;
      if (seen === 5_000) controller.abort(new Error('enough'));
      return seen % 2_000 === 0 ? object : undefined;
    },
  );
  await expect(listed).rejects.toThrow('enough');
});

test.each([
  ['of objects that nobody wants', 'pages', 'expected at most 20000 objects below the prefix'],
  ['of empty pages', 'empty', 'expected at most 20000 objects below the prefix'],
  ['that leads to where it is', 'again', 'the same token'],
])('a list without end %s ends', async (_kind, bucket, fault) => {
  const budget = createListingBudget({ objects: 2_000, bytes: 2 ** 20 });
  await expect(listPicked({ store, policy, signal, budget }, entryOf(bucket), () => undefined)).rejects.toThrow(fault);
});

test('the local names count, and what is given back may be taken again', () => {
  const budget = createListingBudget({ objects: 2, bytes: 30 });
  const one = { key: 'in/a.gz', size: 1, etag: '"0"', relativePath: 'a.gz', expandedPath: 'a' };
  expect([budget.take(one), budget.take(one)]).toEqual([true, true]);
  expect(budget.take({ key: '', size: 0 })).toBe(false);
  budget.giveBack({ key: '', size: 0 });
  budget.giveBack(one);
  expect(budget.take({ ...one, relativePath: 'b.gz!' })).toBe(false);
});

test('a page without end fails, and is not read to its end', async () => {
  const listed = listPicked({ store, policy, signal, budget: createListingBudget() }, entryOf('page'), every);
  await expect(listed).rejects.toThrow(/s3:\/\/page\/run\/ .* could not be listed: .*at most 33554432 bytes/);
});

function contentOf(n: number): string {
  return `<Contents><Key>run/${String(n).padStart(9, '0')}.pt</Key><Size>1</Size><ETag>"0"</ETag></Contents>`;
}
