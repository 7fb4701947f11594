import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { createGunzip, gzipSync } from 'node:zlib';
import { readFile } from 'node:fs/promises';
import { afterAll, expect, it } from 'vitest';
import { createS3Store } from '../../../agent/sync/s3.ts';
import { listenLocally } from '../../../lib/port.ts';
import { always, benchOfFile, BUCKET, instruction } from './support/bench.ts';

const bench = await benchOfFile();
const expanding = await startExpanding(bench.relay.url);
afterAll(() => expanding.stop());

/** Passes requests on as Google's store does: what is stored as gzip is expanded, without length, for whoever does not accept it. */
async function startExpanding(target: string) {
  const expanded: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method, headers, url } = incoming;
    const onward = request(new URL(url ?? '/', target), { method, headers }, (answer) => {
      if (!isExpanded(incoming, answer)) {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      expanded.push(`${String(method)} ${String(url)}`);
      expand(answer, outgoing, method);
    });
    incoming.pipe(onward);
  });
  const port = await listenLocally(server);
  const endpoint = `http://127.0.0.1:${port}`;
  const store = createS3Store({ endpoint, region: 'us-east-1' });
  return {
    store,
    expanded: () => expanded,
    async stop() {
      store.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function isExpanded({ headers }: IncomingMessage, answer: IncomingMessage): boolean {
  const isStoredSo = answer.headers['content-encoding'] === 'gzip';
  const mayBe = !(answer.headers['cache-control'] ?? '').includes('no-transform');
  return isStoredSo && mayBe && !(headers['accept-encoding'] ?? '').includes('gzip');
}

function expand(answer: IncomingMessage, outgoing: ServerResponse, method: string | undefined): void {
  const headers = { ...answer.headers };
  delete headers['content-length'];
  delete headers['content-encoding'];
  outgoing.writeHead(answer.statusCode ?? 0, headers);
  if (method === 'HEAD') outgoing.end();
  else answer.pipe(createGunzip()).pipe(outgoing);
}

it('what is compressed comes back from a store that expands it on the way, and is confirmed there', async () => {
  const content = 'hay '.repeat(1000);
  for (const name of ['out/a', 'out/b']) await bench.write(name, content);
  const up = bench.sync({ after: [instruction('UPLOAD', 'gcs', 'out')], compression: true, store: expanding.store });
  await up.uploadAfter(always);
  const stored = await bench.get('gcs/a.gz');
  expect(stored).toMatchObject({ ContentEncoding: 'gzip', CacheControl: 'no-transform' });
  await stored.Body?.transformToByteArray();

  // By another program, which has not asked that it stay as it is.
  await bench.put('gcs/c.gz', Buffer.from(gzipSync('by others')), { ContentEncoding: 'gzip' });
  const down = bench.sync({
    before: [instruction('DOWNLOAD', 'gcs', 'in')],
    compression: true,
    store: expanding.store,
  });
  await down.prepare();
  await down.download(always);
  expect(await readFile(bench.local('in/a'), 'utf8')).toBe(content);
  expect(await readFile(bench.local('in/c'), 'utf8')).toBe('by others');
  expect(expanding.expanded()).toEqual([]);

  // Who did not say that he accepts gzip would have got it expanded, but for what is ours.
  const take = async (key: string, totalSize: number) => {
    const file = expanding.store.land(bench.local(key.replace('/', '-')), false);
    try {
      return await file.take({ bucket: BUCKET, key }, { totalSize }, () => undefined, always);
    } finally {
      await file.drop(always);
    }
  };
  const { ContentLength = 0 } = stored;
  expect(await take('gcs/a.gz', ContentLength)).toMatchObject({ isExpected: true, received: ContentLength });
  await expect(take('gcs/c.gz', 1)).rejects.toThrow('Content-Length');
  expect(expanding.expanded()).toHaveLength(1);
});
