import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type AttemptSync, SyncError, type SyncSettings } from '../../../agent/sync/attempt-sync.ts';
import { createS3Store } from '../../../agent/sync/s3.ts';
import { always, benchOfFile, eventually, instruction } from './support/bench.ts';
import type { Relayed, Verdict } from './support/relay.ts';

const bench = await benchOfFile();
const { local } = bench;

const LARGE = 9 * 2 ** 20;
const isPart = ({ query }: Relayed) => query.has('partNumber');
const isCompletion = ({ method, query }: Relayed) => method === 'POST' && query.has('uploadId');

/** The first `times` requests that fit meet `verdict`. */
function trouble(fits: (seen: Relayed) => boolean, verdict: Verdict, times = 1): void {
  let left = times;
  bench.relay.interfere = async (seen) => (fits(seen) && left-- > 0 ? verdict : undefined);
}

async function mirror(prefix: string, settings: Partial<SyncSettings> = {}): Promise<AttemptSync> {
  const sync = bench.sync({ during: [instruction('UPLOAD', prefix, 'ckpt')], settings });
  await sync.prepare();
  await sync.watch();
  return sync;
}

describe('an upload that a fault meets', () => {
  it.each([
    ['small, 500', 10, 500],
    ['small, SlowDown', 10, { status: 503, code: 'SlowDown' }],
    ['small, cut', 10, 'cut'],
    ['small, its answer is lost', 10, 'nothing'],
    ['large, 500', LARGE, 500],
    ['large, cut', LARGE, 'cut'],
    ['large, its answer is lost', LARGE, 'nothing'],
  ] as const)('is done in the end, whole: %s', async (name, size, verdict) => {
    const prefix = `met-${name.replaceAll(/\W+/g, '-')}`;
    const content = randomBytes(size);
    await bench.write('out/data', content);
    trouble((seen) => seen.method === 'PUT', verdict);
    await bench.sync({ after: [instruction('UPLOAD', prefix, 'out')] }).uploadAfter(always);
    expect(content.equals(await stored(`${prefix}/data`))).toBe(true);
  });

  it.each([
    ['small', 200_000],
    ['large', LARGE],
  ])('in the middle of a body never becomes a shorter object: %s', async (name, size) => {
    const prefix = `half-${name}`;
    const content = randomBytes(size);
    await bench.write('out/data', content);
    let broken = 0;
    bench.relay.breakOff = () => broken++ === 0;
    await bench.sync({ after: [instruction('UPLOAD', prefix, 'out')] }).uploadAfter(always);
    expect(broken).toBeGreaterThan(1);
    expect(content.equals(await stored(`${prefix}/data`))).toBe(true);
  });

  it('that never gets an answer is given up after the stall, and sent again', async () => {
    await bench.write('out/data', 'x');
    bench.relay.interfere = ({ method }) => {
      if (method !== 'PUT') return undefined;
      bench.relay.interfere = () => undefined;
      return new Promise(() => undefined);
    };
    const store = createS3Store({ endpoint: bench.relay.url, region: 'us-east-1', stallMs: 300 });
    const sync = bench.sync({ after: [instruction('UPLOAD', 'mute', 'out')], store, settings: { maxRetries: 9 } });
    await sync.uploadAfter(always);
    expect(await bench.text('mute/data')).toBe('x');
    store.close();
  });

  it('for good is a SyncError, and the bucket keeps what it had', async () => {
    await bench.put('kept/data', 'before');
    await bench.write('out/data', 'after');
    trouble(({ method }) => method === 'PUT', { status: 403, code: 'AccessDenied' }, 99);
    const sync = bench.sync({ after: [instruction('UPLOAD', 'kept', 'out')], settings: { maxRetries: 9 } });
    await expect(sync.uploadAfter(always)).rejects.toThrow(SyncError);
    expect(bench.relay.seen.filter(({ method }) => method === 'PUT')).toHaveLength(1);
    expect(await bench.text('kept/data')).toBe('before');
  });
});

describe('a file that goes while it is uploaded', () => {
  it.each([
    ['small', 10],
    ['large', LARGE],
  ])('is not in the bucket in the end: %s', async (name, size) => {
    const sync = await mirror(`going-${name}`);
    bench.relay.interfere = async ({ method }) => {
      if (method === 'PUT') await rm(local('ckpt/data'), { force: true });
      return undefined;
    };
    await bench.write('ckpt/data', randomBytes(size));
    await eventually(() => bench.relay.seen.some(({ method }) => method === 'PUT'), 20_000);
    await sync.flush(always);
    expect(await bench.keys(`going-${name}/`)).toEqual([]);
  });

  it('because it is renamed by something that outlived the command is published under its new name', async () => {
    await bench.write('ckpt/a', 'x');
    await bench.write('ckpt/next.tmp', 'the last checkpoint');
    const sync = bench.sync({ during: [instruction('UPLOAD', 'late-rename', 'ckpt')], settings: { concurrency: 1 } });
    bench.relay.interfere = async ({ method }) => {
      if (method === 'PUT') await rename(local('ckpt/next.tmp'), local('ckpt/checkpoint')).catch(() => undefined);
      return undefined;
    };
    await sync.flush(always);
    expect(await bench.text('late-rename/checkpoint')).toBe('the last checkpoint');
    expect(await bench.keys('late-rename/')).toEqual(['late-rename/a', 'late-rename/checkpoint']);
  });
});

describe('a request whose answer is lost', () => {
  it('to delete leaves no file without its object that comes back unchanged', async () => {
    await bench.write('ckpt/deep/step-1', 'one');
    const sync = await mirror('unheard-delete', { maxRetries: 0, maxWaitMs: 50 });
    await eventually(async () => (await bench.text('unheard-delete/deep/step-1')) === 'one');
    trouble(({ method }) => method === 'DELETE', 'nothing', 99);
    await rename(local('ckpt/deep'), local('aside'));
    await eventually(async () => (await bench.keys('unheard-delete/')).length === 0);
    // Moved as a whole, the file's own times are as before.
    await rename(local('aside'), local('ckpt/deep'));
    bench.relay.interfere = () => undefined;
    await sync.flush(always);
    expect(await bench.text('unheard-delete/deep/step-1')).toBe('one');
  });

  it('to upload leaves no other content there when the file is what it was before', async () => {
    await bench.write('ckpt/model', 'good');
    const sync = await mirror('unheard-upload', { maxRetries: 0, maxWaitMs: 50 });
    await eventually(async () => (await bench.text('unheard-upload/model')) === 'good');
    trouble(({ method }) => method === 'PUT', 'nothing', 99);
    await rename(local('ckpt/model'), local('model.bak'));
    await bench.write('ckpt/model', 'evil');
    await eventually(async () => (await bench.text('unheard-upload/model')) === 'evil');
    await rename(local('model.bak'), local('ckpt/model'));
    bench.relay.interfere = () => undefined;
    await sync.flush(always);
    expect(await bench.text('unheard-upload/model')).toBe('good');
  });

  it('to upload a new file leaves no object that nobody deletes with the file', async () => {
    const sync = await mirror('unheard-new', { maxRetries: 0, maxWaitMs: 50 });
    trouble(({ method }) => method === 'PUT', 'nothing', 99);
    await bench.write('ckpt/step-1', 'one');
    await eventually(async () => (await bench.keys('unheard-new/')).length === 1);
    await rm(local('ckpt/step-1'));
    bench.relay.interfere = () => undefined;
    await sync.flush(always);
    expect(await bench.keys('unheard-new/')).toEqual([]);
  });

  it('that was refused for certain deletes nothing that others have put there', async () => {
    await bench.put('not-ours/shared', 'of others');
    const sync = await mirror('not-ours', { maxRetries: 0, maxWaitMs: 50 });
    trouble(({ method }) => method === 'PUT', { status: 403, code: 'AccessDenied' }, 99);
    await bench.write('ckpt/shared', 'mine');
    await eventually(() => bench.relay.seen.some(({ method, status }) => method === 'PUT' && status === 403));
    await rm(local('ckpt/shared'));
    bench.relay.interfere = () => undefined;
    await sync.flush(always);
    expect(await bench.text('not-ours/shared')).toBe('of others');
  });
});

describe('a deletion', () => {
  it('in the last look is repeated when the store has trouble', async () => {
    await bench.write('ckpt/step-1', 'one');
    const sync = await mirror('retried');
    await eventually(async () => (await bench.keys('retried/')).length === 1);
    await sync.suspend();
    await rm(local('ckpt/step-1'));
    trouble(({ method }) => method === 'DELETE', 503);
    sync.resume();
    await sync.flush(always);
    expect(await bench.keys('retried/')).toEqual([]);
  });

  it('that waits for the proof of the lease is not done when the file is back by then', async () => {
    await bench.write('ckpt/step-1', 'one');
    const sync = await mirror('back', { maxWaitMs: 50 });
    await eventually(async () => (await bench.keys('back/')).length === 1);
    const asked = Promise.withResolvers<undefined>();
    bench.relay.interfere = ({ method }) =>
      method === 'DELETE' ? new Promise(() => asked.resolve(undefined)) : undefined;
    await rm(local('ckpt/step-1'));
    await asked.promise;
    await sync.suspend();
    await bench.write('ckpt/step-1', 'again');
    const before = bench.relay.seen.length;
    bench.relay.interfere = async () => undefined;
    sync.resume();
    await eventually(async () => (await bench.text('back/step-1')) === 'again');
    expect(bench.relay.seen.slice(before).filter(({ method }) => method === 'DELETE')).toEqual([]);
    await sync.flush(always);
  });

  it('of the old one waits for the new one also where the new one appears after the old one went', async () => {
    await bench.write('ckpt/step-1', 'one');
    const sync = await mirror('turned', { stabilityCheckMs: 200, maxWaitMs: 400 });
    await eventually(async () => (await bench.keys('turned/')).length === 1);
    bench.relay.seen.length = 0;
    await mkdir(local('ckpt/other'));
    await bench.write('next', 'two');
    await rm(local('ckpt/step-1'));
    await new Promise((resolve) => setTimeout(resolve, 60));
    await rename(local('next'), local('ckpt/step-2'));
    await appendFile(local('ckpt/step-2'), '!');
    await eventually(async () => (await bench.keys('turned/')).join() === 'turned/step-2');
    const changes = bench.relay.seen.filter(({ method }) => method === 'PUT' || method === 'DELETE');
    expect(changes.map(({ method, key }) => `${method} ${key}`)).toEqual(['PUT turned/step-2', 'DELETE turned/step-1']);
    await sync.flush(always);
  });
});

describe('a completion that fails', () => {
  it('leaves the last whole object, and no parts', async () => {
    await bench.put('whole/model', 'before');
    await bench.write('ckpt/model', randomBytes(LARGE));
    trouble(isCompletion, 500, 99);
    const sync = bench.sync({ during: [instruction('UPLOAD', 'whole', 'ckpt')], settings: { maxRetries: 0 } });
    await expect(sync.flush(always)).rejects.toThrow(SyncError);
    expect(await bench.text('whole/model')).toBe('before');
    expect(bench.relay.seen.filter(isPart).length).toBeGreaterThan(1);
    expect(bench.relay.seen.filter(({ method, status }) => method === 'DELETE' && status === 204)).toHaveLength(1);
    await writeFile(local('ckpt/model'), 'after');
    bench.relay.interfere = () => undefined;
    await sync.flush(always);
    expect(await bench.text('whole/model')).toBe('after');
  });
});

async function stored(key: string): Promise<Buffer> {
  return Buffer.from(await (await bench.get(key)).Body!.transformToByteArray());
}
