import { appendFile, chmod, open, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { AttemptSync, SyncSettings } from '../../../agent/sync/attempt-sync.ts';
import { always, benchOfFile, death, eventually, instruction } from './support/bench.ts';

const bench = await benchOfFile();
const { local } = bench;
const puts = (key: string) => bench.relay.seen.filter((seen) => seen.method === 'PUT' && seen.key === key).length;

async function mirror(prefix: string, settings: Partial<SyncSettings> = {}): Promise<AttemptSync> {
  const sync = bench.sync({ during: [instruction('UPLOAD', prefix, 'ckpt')], settings });
  await sync.prepare();
  await sync.watch();
  return sync;
}

/** Writes over a published file in place, as far as the command had come when it died. */
async function overwrite(path: string, content: string): Promise<void> {
  const file = await open(local(path), 'r+');
  await file.truncate(content.length);
  await file.write(content, 0);
  await file.close();
}

/** Later than the last write by a step of the kernel's clock, as whoever syncs its files before it renames them does. */
async function renamed(from: string, to: string): Promise<void> {
  await eventually(async () => {
    await rename(local(from), local(`${from}-`));
    await rename(local(`${from}-`), local(from));
    const { ctimeNs, mtimeNs } = await stat(local(from), { bigint: true });
    return ctimeNs > mtimeNs;
  });
  await rename(local(from), local(to));
}

describe('the last look after the command was killed', () => {
  const WHOLE = 'whole checkpoint';

  it('publishes nothing of a new file that was being written, nor what was written after it and may name it', async () => {
    await bench.write('ckpt/settled', 'settled');
    await bench.write('ckpt/early.log', 'a line');
    await utimes(local('ckpt/settled'), 1_000, 1_000);
    const sync = await mirror('killed-new', { stabilityCheckMs: 60_000 });
    await bench.write('ckpt/.step-2', 'half of');
    await rename(local('ckpt/.step-2'), local('ckpt/step-2'));
    await writeFile(local('ckpt/step-2'), 'half of it');
    await bench.write('ckpt/.latest', 'step-2');
    await renamed('ckpt/.latest', 'ckpt/latest');
    sync.commandMayHaveDied([death(Date.now())]);
    await sync.flush(always);
    expect(await bench.keys('killed-new/')).toEqual(['killed-new/early.log', 'killed-new/settled']);
  });

  it('is not forestalled: what was being written waits until it is known how the command ended', async () => {
    const sync = await mirror('danger', { maxWaitMs: 20 });
    await bench.write('ckpt/model', 'perhaps half');
    sync.commandMayHaveDied([death((await stat(local('ckpt/model'))).ctimeMs + 1)]);
    // Written again and again, until that is no more of the same burst.
    await eventually(async () => {
      await bench.write('ckpt/later', String(performance.now()));
      await new Promise((resolve) => setTimeout(resolve, 60));
      return puts('danger/later') > 0;
    }, 20_000);
    expect(puts('danger/model')).toBe(0);
    sync.commandMayHaveDied([]);
    await sync.flush(always);
    expect(await bench.text('danger/model')).toBe('perhaps half');
  });

  it.each([
    ['killed-short', 'HALF'],
    ['killed-long', 'another, longer, and yet but half'],
  ])('leaves the last good object where the command was writing over the file: %s', async (prefix, half) => {
    const sync = await mirror(prefix);
    await bench.write('ckpt/model', WHOLE);
    await eventually(() => sync.counts().filesUploaded === 1);
    await sync.suspend();
    await overwrite('ckpt/model', half);
    sync.commandMayHaveDied([death(Date.now())]);
    sync.resume();
    await sync.flush(always);
    expect(await bench.text(`${prefix}/model`)).toBe(WHOLE);
  });

  it('publishes what was renamed into place, and what only grew', async () => {
    const sync = await mirror('killed-well');
    await bench.write('ckpt/model', WHOLE);
    await bench.write('ckpt/steps', 'one ');
    await eventually(() => sync.counts().filesUploaded === 2);
    await sync.suspend();
    await bench.write('ckpt/.next', 'next');
    await renamed('ckpt/.next', 'ckpt/model');
    await appendFile(local('ckpt/steps'), 'two');
    sync.commandMayHaveDied([death(Date.now())]);
    sync.resume();
    await sync.flush(always);
    expect(await bench.text('killed-well/model')).toBe('next');
    expect(await bench.text('killed-well/steps')).toBe('one two');
  });

  it('publishes what was written over later, by a program that has outlived its shell', async () => {
    const sync = await mirror('outlived');
    await bench.write('ckpt/model', WHOLE);
    await eventually(() => sync.counts().filesUploaded === 1);
    await sync.suspend();
    const killedAt = Date.now();
    await eventually(async () => {
      await overwrite('ckpt/model', 'saved');
      return (await stat(local('ckpt/model'))).ctimeMs > killedAt + 1;
    });
    sync.commandMayHaveDied([death(killedAt)]);
    sync.resume();
    await sync.flush(always);
    expect(await bench.text('outlived/model')).toBe('saved');
  });

  it('publishes what had settled when it died, and everything when it ended by itself', async () => {
    const sync = await mirror('settled');
    await bench.write('ckpt/model', WHOLE);
    await eventually(() => sync.counts().filesUploaded === 1);
    await sync.suspend();
    await overwrite('ckpt/model', 'a new whole one!');
    sync.commandMayHaveDied([death((await stat(local('ckpt/model'))).ctimeMs + 1_000)]);
    sync.resume();
    await sync.flush(always);
    expect(await bench.text('settled/model')).toBe('a new whole one!');

    const willing = await mirror('willing');
    await eventually(() => willing.counts().filesUploaded === 1);
    await willing.suspend();
    await overwrite('ckpt/model', 'short');
    willing.commandMayHaveDied([]);
    willing.resume();
    await willing.flush(always);
    expect(await bench.text('willing/model')).toBe('short');
  });
});

describe('the last look', () => {
  it('publishes the last checkpoint although another file cannot be published, and still fails', async () => {
    const sync = bench.sync({ during: [instruction('UPLOAD', 'stuck', 'ckpt')] });
    await sync.prepare();
    bench.relay.interfere = async ({ key, method }) => (method === 'PUT' && key === 'stuck/bad' ? 403 : undefined);
    await bench.write('ckpt/bad', 'x');
    await bench.write('ckpt/step-2', 'two');
    await expect(sync.flush(always)).rejects.toThrow(/"bad" could not be uploaded/);
    expect(await bench.text('stuck/step-2')).toBe('two');
  });

  it('deletes nothing when the directory has vanished, not even what was to be deleted before', async () => {
    const sync = await mirror('vanished', { maxRetries: 0 });
    await bench.write('ckpt/step-1', 'one');
    await eventually(() => sync.counts().filesUploaded === 1);
    bench.relay.interfere = async ({ key }) => (key === 'vanished/step-2' ? 503 : undefined);
    await bench.write('ckpt/step-2', 'two');
    await rm(local('ckpt/step-1'));
    await eventually(() => puts('vanished/step-2') > 1);
    await rename(local('ckpt'), local('elsewhere'));
    await sync.flush(always);
    expect(await bench.keys('vanished/')).toEqual(['vanished/step-1']);
  });
});

describe('a file whose size and time are as before', () => {
  it('is published when its content is not', async () => {
    await bench.write('ckpt/a', 'one');
    await utimes(local('ckpt/a'), 1_000, 1_000);
    const sync = await mirror('back');
    await eventually(() => sync.counts().filesUploaded === 1);
    await writeFile(local('ckpt/a'), 'two');
    await utimes(local('ckpt/a'), 1_000, 1_000);
    await eventually(async () => (await bench.text('back/a')) === 'two');
    await sync.flush(always);
  });

  it.each([10, 9 * 2 ** 20])('is not published again for a change of its mode (%i bytes)', async (size) => {
    const sync = await mirror(`mode-${size}`);
    const requests = () => bench.relay.seen.filter(({ method }) => method === 'PUT' || method === 'POST').length;
    await bench.write('ckpt/a', Buffer.alloc(size, 'a'));
    await eventually(() => sync.counts().filesUploaded === 1);
    const before = requests();
    await chmod(local('ckpt/a'), 0o600);
    await sync.flush(always);
    expect(requests()).toBe(before);
  });
});

describe('a slow upload', () => {
  it('holds up what was written right after it, and nothing that was written much later', async () => {
    const sync = await mirror('slow', { maxWaitMs: 50 });
    const arrived = Promise.withResolvers<undefined>();
    const release = Promise.withResolvers<undefined>();
    bench.relay.interfere = async ({ key, method }) => {
      if (key !== 'slow/weights' || method !== 'PUT') return undefined;
      arrived.resolve(undefined);
      return release.promise;
    };
    await bench.write('ckpt/weights', 'w');
    await bench.write('ckpt/latest', 'weights');
    await arrived.promise;
    // Written again and again, until it is written long enough after the weights.
    await eventually(async () => {
      await bench.write('ckpt/metrics', String(performance.now()));
      await new Promise((resolve) => setTimeout(resolve, 60));
      return puts('slow/metrics') > 0;
    }, 20_000);
    expect(puts('slow/weights')).toBe(1);
    expect(puts('slow/latest')).toBe(0);
    release.resolve(undefined);
    await eventually(async () => (await bench.text('slow/latest')) === 'weights', 20_000);
    await sync.flush(always);
    expect(puts('slow/weights')).toBe(1);
  });
});

describe('a checkpoint that is slowly written under its final name', () => {
  it('is not published before it is whole', async () => {
    const sync = await mirror('in-place', { maxWaitMs: 100, stabilityCheckMs: 250 });
    const file = await open(local('ckpt/step-1.pt'), 'w');
    let chunks = 0;
    const until = performance.now() + 800;
    await eventually(async () => {
      await file.write('x'.repeat(1_000));
      chunks += 1;
      return performance.now() > until;
    });
    await file.close();
    expect(puts('in-place/step-1.pt')).toBe(0);
    await sync.flush(always);
    expect((await bench.text('in-place/step-1.pt'))?.length).toBe(chunks * 1_000);
  });
});
