import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { createS3Store } from '../../../agent/sync/s3.ts';
import { always, benchOfFile, BUCKET, instruction } from './support/bench.ts';

const bench = await benchOfFile();
afterEach(() => vi.unstubAllEnvs());

// Several stores refuse checksums that nobody asked for, or store the chunks that carry them as the content.
it('no request has a checksum that is not required, or a body in chunks of its own kind', async () => {
  await bench.write('run/small', 's');
  await bench.write('run/large', randomBytes(9 * 2 ** 20));
  const place = instruction('UPLOAD', 'plain', 'run');
  const sync = bench.sync({ during: [place] });
  await sync.prepare();
  await sync.watch();
  await sync.flush(always);
  const packed = bench.sync({ after: [instruction('UPLOAD', 'packed', 'run')], compression: true });
  await packed.uploadAfter(always);
  await rm(bench.local('run'), { recursive: true });
  await bench.sync({ before: [instruction('DOWNLOAD', 'plain', 'back')] }).download(always);
  const methods = new Set(bench.relay.seen.map(({ method }) => method));
  expect([...methods].sort()).toEqual(['GET', 'HEAD', 'POST', 'PUT']);
  for (const { headers } of bench.relay.seen) {
    const names = Object.keys(headers).filter((name) => /checksum|trailer|decoded-content-length/.test(name));
    expect(names).toEqual([]);
    expect(headers['content-encoding'] ?? 'gzip').toBe('gzip');
  }
});

it('credentials may come from a profile, as the AWS SDK reads it', async () => {
  const { AWS_ACCESS_KEY_ID: id = '', AWS_SECRET_ACCESS_KEY: secret = '' } = process.env;
  const lines = ['[fleet]', `aws_access_key_id = ${id}`, `aws_secret_access_key = ${secret}`];
  const file = await bench.write('credentials', `${lines.join('\n')}\n`);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file);
  vi.stubEnv('AWS_CONFIG_FILE', bench.local('none'));
  vi.stubEnv('AWS_PROFILE', 'fleet');
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined);
  const store = createS3Store({ endpoint: bench.relay.url, region: 'us-east-1' });
  try {
    await store.ready();
    await store.put({ bucket: BUCKET, key: 'of-a-profile' }, Buffer.from('x'), { contentType: 'text/plain' }, always);
  } finally {
    store.close();
  }
  expect(bench.relay.seen.at(-1)?.headers.authorization).toContain(`Credential=${id}/`);
  expect(await bench.text('of-a-profile')).toBe('x');
});

it('whoever gives a request up, at whatever moment, is told so, and the store hears of none that was given up before', async () => {
  const put = async (key: string, turns: number) => {
    const giving = new AbortController();
    const done = bench.store.put(
      { bucket: BUCKET, key },
      Buffer.from('x'),
      { contentType: 'text/plain' },
      giving.signal,
    );
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    giving.abort(new Error('given up'));
    await expect(done).rejects.toThrow('given up');
  };
  // The first one asks where the bucket is.
  await bench.store.put({ bucket: BUCKET, key: 'first' }, Buffer.from('x'), { contentType: 'text/plain' }, always);
  for (let turns = 0; turns < 60; turns++) await put(`given-up/${turns}`, turns);
  expect(await bench.keys('given-up/')).toEqual([]);
});
