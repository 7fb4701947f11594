import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SyncError } from '../../../agent/sync/attempt-sync.ts';
import { createS3Store } from '../../../agent/sync/s3.ts';
import { always, benchOfFile, instruction } from './support/bench.ts';

const bench = await benchOfFile();

const up = (prefix: string) => bench.sync({ after: [instruction('UPLOAD', prefix, 'out')] });
const completions = () =>
  bench.relay.seen.filter(({ method, query }) => method === 'POST' && query.has('uploadId')).length;

describe('an answer of 200 that is not the store’s', () => {
  it.each([
    '<html><body>Sign in</body></html>',
    '<?xml version="1.0"?><html><head/></html>',
    '',
    'OK',
    '<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>',
  ])('is no empty list of objects: %j', async (page) => {
    bench.relay.answer = ({ query }) => (query.has('list-type') ? page : undefined);
    const sync = bench.sync({ before: [instruction('DOWNLOAD', 'portal', 'in')], settings: { maxRetries: 0 } });
    await expect(sync.download(always)).rejects.toThrow(SyncError);
  });

  it('is no upload', async () => {
    bench.relay.answer = ({ method }) => (method === 'PUT' ? '<html>hello</html>' : undefined);
    await bench.write('out/result', 'x');
    const sync = bench.sync({ after: [instruction('UPLOAD', 'portal', 'out')], settings: { maxRetries: 0 } });
    await expect(sync.uploadAfter(always)).rejects.toThrow(/"result".*no store's: check that AWS_ENDPOINT_URL/);
    expect(sync.counts().filesUploaded).toBe(0);
  });

  it('is no content of a file', async () => {
    await bench.put('portal/data', 'x');
    bench.relay.answer = ({ key }) => (key === 'portal/data' ? '<html>hello</html>' : undefined);
    const sync = bench.sync({ before: [instruction('DOWNLOAD', 'portal', 'in')], settings: { maxRetries: 0 } });
    await expect(sync.download(always)).rejects.toThrow(/portal\/data.*could not be downloaded/);
  });
});

describe('the completion of an upload in parts', () => {
  it('whose answer is lost is taken for done when the object is there', async () => {
    await bench.write('out/weights', randomBytes(10 * 2 ** 20));
    bench.relay.interfere = async ({ method, query }) =>
      method === 'POST' && query.has('uploadId') && completions() === 1 ? 'truncate' : undefined;
    await up('lost-answer').uploadAfter(always);
    expect(await bench.keys('lost-answer/')).toEqual(['lost-answer/weights']);
    expect(bench.relay.seen.filter(({ query }) => query.has('partNumber'))).toHaveLength(2);
  });

  it('that the store has forgotten is made good by sending the file once more, though an older one is there', async () => {
    await bench.write('out/weights', Buffer.alloc(10 * 2 ** 20, 'a'));
    await up('forgotten').uploadAfter(always);
    await bench.write('out/weights', Buffer.alloc(10 * 2 ** 20, 'b'));
    const before = completions();
    bench.relay.answer = ({ method, query }) => {
      if (method !== 'POST' || !query.has('uploadId') || completions() !== before + 1) return undefined;
      return '<?xml version="1.0"?><Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>';
    };
    await up('forgotten').uploadAfter(always);
    expect((await bench.text('forgotten/weights'))?.slice(0, 3)).toBe('bbb');
    expect(completions()).toBe(before + 2);
  });
});

describe('a storage without credentials', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('is told before anything moves, with what to set', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) {
      vi.stubEnv(name, bench.local('none'));
    }
    const store = createS3Store({ endpoint: bench.relay.url, region: 'us-east-1' });
    const sync = bench.sync({ after: [instruction('UPLOAD', 'x', 'out')], store });
    await expect(sync.prepare()).rejects.toThrow(/no credentials for the storage: set AWS_ACCESS_KEY_ID/);
    await expect(bench.sync({ store }).prepare()).resolves.toBe(undefined);
    store.close();
  });
});
