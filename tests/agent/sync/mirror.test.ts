import { appendFile, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { AttemptSync, SyncSettings } from '../../../agent/sync/attempt-sync.ts';
import { always, benchOfFile, eventually, instruction } from './support/bench.ts';
import type { Relayed } from './support/relay.ts';

const bench = await benchOfFile();
const { local } = bench;
/** What changed the bucket, in order: `+key` and `-key`. */
const changes = () =>
  bench.relay.seen
    .filter(
      ({ method, status, query }) =>
        status !== undefined && status < 300 && (method === 'DELETE' || method === 'PUT' || query.has('uploadId')),
    )
    .filter(({ query, method }) => !query.has('partNumber') && !(method === 'DELETE' && query.has('uploadId')))
    .map(({ method, key }) => (method === 'DELETE' ? '-' : '+') + key.slice(key.indexOf('/') + 1));

async function mirror(prefix: string, settings: Partial<SyncSettings> = {}): Promise<AttemptSync> {
  const place = instruction('DOWNLOAD', prefix, 'ckpt');
  const sync = bench.sync({ before: [place], during: [{ ...place, direction: 'UPLOAD' }], settings });
  await sync.prepare();
  await sync.download(always);
  await sync.watch();
  return sync;
}

describe('a mirrored directory', () => {
  it('is published while the command runs: new, changed, moved in, and what was there before', async () => {
    await bench.write('ckpt/there-before', '0');
    await bench.write('aside/inner/moved', 'm');
    const sync = await mirror('live');
    await eventually(async () => (await bench.text('live/there-before')) === '0');
    await bench.write('ckpt/step-1', 'one');
    await eventually(async () => (await bench.text('live/step-1')) === 'one');
    await bench.write('ckpt/step-1', 'changed');
    await rename(local('aside'), local('ckpt/moved-in'));
    await eventually(async () => (await bench.text('live/step-1')) === 'changed');
    await eventually(async () => (await bench.text('live/moved-in/inner/moved')) === 'm');
    await sync.flush(always);
    expect(changes().sort()).toEqual(['+moved-in/inner/moved', '+step-1', '+step-1', '+there-before']);
  });

  it('loses a deleted file only if this attempt knows its object', async () => {
    await bench.put('gone/known', 'x');
    const sync = await mirror('gone');
    await bench.put('gone/somebody-elses', 'y');
    await rm(local('ckpt/known'));
    await eventually(async () => (await bench.text('gone/known')) === undefined);
    await sync.flush(always);
    expect(await bench.keys('gone/')).toEqual(['gone/somebody-elses']);
  });

  it('that vanishes altogether deletes nothing', async () => {
    await bench.put('unmounted/known', 'x');
    const sync = await mirror('unmounted');
    await rename(local('ckpt'), local('elsewhere'));
    await sync.flush(always);
    expect(await bench.keys('unmounted/')).toEqual(['unmounted/known']);
  });

  it('keeps a deletion waiting while the upload that replaces it has not arrived', async () => {
    await bench.put('rotate/step-1', 'one');
    const sync = await mirror('rotate');
    const refused = Promise.withResolvers<undefined>();
    let broken = true;
    bench.relay.interfere = async ({ key }) => {
      if (key !== 'rotate/step-2' || !broken) return undefined;
      refused.resolve(undefined);
      return 503;
    };
    await bench.write('ckpt/step-2', 'two');
    await rm(local('ckpt/step-1'));
    await refused.promise;
    expect(await bench.keys('rotate/')).toEqual(['rotate/step-1']);
    broken = false;
    await eventually(async () => (await bench.keys('rotate/')).join() === 'rotate/step-2');
    await sync.flush(always);
    expect(changes()).toEqual(['+step-2', '-step-1']);
  });

  it('never goes without a whole checkpoint while the command rotates them', async () => {
    const sync = await mirror('spin');
    for (let step = 1; step <= 30; step++) {
      await bench.write(`ckpt/step-${step}`, String(step));
      await rm(local(`ckpt/step-${step - 2}`), { force: true });
      if (step % 5 === 0) await eventually(() => changes().includes(`+step-${step}`));
    }
    await sync.flush(always);
    const present = new Set<string>();
    for (const change of changes()) {
      if (change.startsWith('+')) present.add(change.slice(1));
      else present.delete(change.slice(1));
      expect(present.size).toBeGreaterThan(0);
    }
    expect([...present].sort()).toEqual(['step-29', 'step-30']);
  });
});

describe('of a burst', () => {
  it('a marker written last appears after the data it names, however slow that is', async () => {
    const sync = await mirror('order');
    const release = Promise.withResolvers<undefined>();
    const arrived = Promise.withResolvers<undefined>();
    bench.relay.interfere = async ({ key }) => {
      if (key !== 'order/weights') return undefined;
      arrived.resolve(undefined);
      return release.promise;
    };
    await bench.write('ckpt/weights', 'w');
    await bench.write('ckpt/latest', 'weights');
    await arrived.promise;
    expect(await bench.text('order/latest')).toBe(undefined);
    release.resolve(undefined);
    await eventually(async () => (await bench.text('order/latest')) === 'weights');
    await sync.flush(always);
    expect(changes()).toEqual(['+weights', '+latest']);
  });

  it('a marker waits while the data it names cannot be published, but not for ever', async () => {
    const sync = await mirror('held', { maxRetries: 0, maxWaitMs: 100 });
    let refused = 0;
    bench.relay.interfere = async ({ key }) => {
      if (key !== 'held/weights') return undefined;
      refused += 1;
      return 503;
    };
    await bench.write('ckpt/weights', 'w');
    await bench.write('ckpt/latest', 'weights');
    await eventually(async () => (await bench.text('held/latest')) === 'weights', 20_000);
    expect(refused).toBeGreaterThanOrEqual(3);
    await expect(sync.flush(always)).rejects.toThrow(/"weights" could not be uploaded/);
  });
});

describe('a change during an upload', () => {
  it('is not lost: the file is published again', async () => {
    const sync = await mirror('again');
    let first = true;
    bench.relay.interfere = async ({ key, method }) => {
      if (key === 'again/model' && method === 'PUT' && first) {
        first = false;
        await bench.write('ckpt/model', 'second');
      }
      return undefined;
    };
    await bench.write('ckpt/model', 'first');
    await eventually(async () => (await bench.text('again/model')) === 'second');
    await sync.flush(always);
    expect(changes()).toEqual(['+model', '+model']);
  });
});

describe('an object', () => {
  it('is sent by one batch at a time, though an older one that had it too ends meanwhile', async () => {
    const sync = await mirror('owned', { maxWaitMs: 50 });
    const [slow, second] = [held('owned/slow', 1), held('owned/quick', 2)];
    bench.relay.interfere = async (seen) => {
      await slow.rule(seen);
      return second.rule(seen);
    };
    await bench.write('ckpt/quick', 'one');
    await bench.write('ckpt/slow', 's');
    await slow.arrived;
    await eventually(async () => (await bench.text('owned/quick')) === 'one');
    // What is written right after a file that is held up waits for it, so these are written until they go.
    const writtenUntilSent = (name: string, count: number) =>
      eventually(async () => {
        await bench.write(`ckpt/${name}`, String(performance.now()));
        return eventually(() => puts(`owned/${name}`).length === count, 1_500).catch(() => false);
      }, 20_000);
    await writtenUntilSent('quick', 2);
    slow.release();
    await eventually(async () => (await bench.text('owned/slow')) === 's');
    await writtenUntilSent('later', 1);
    expect(puts('owned/quick')).toHaveLength(2);
    second.release();
    await sync.flush(always);
    expect(await bench.text('owned/quick')).toBe(await readFile(local('ckpt/quick'), 'utf8'));
  });
});

describe('a file that never holds still', () => {
  it('that is written over in place never appears torn', async () => {
    // Much longer than the writer may be held up in the middle of a version by a busy machine.
    const sync = await mirror('rewrite', { maxWaitMs: 50, stabilityCheckMs: 400 });
    const contents = bodies('rewrite/state');
    const whole = (version: number) => `version ${version};`.padEnd(15, ' ').repeat(2000 + version);
    for (let version = 1; version <= 120; version++) {
      const file = await open(local('ckpt/state'), 'w');
      await file.write(whole(version).slice(0, 15_000));
      await new Promise((resolve) => setImmediate(resolve));
      await file.write(whole(version).slice(15_000));
      await file.close();
      if (version === 60) await eventually(() => contents().length > 0);
    }
    await sync.flush(always);
    expect(contents().at(-1)).toBe(whole(120));
    for (const content of contents()) expect(content).toBe(whole(Number(/\d+/.exec(content)?.[0])));
  });

  it('that is replaced by rename is published whole at the pace of the longest wait', async () => {
    const sync = await mirror('renamed', { maxWaitMs: 50, stabilityCheckMs: 300 });
    const contents = bodies('renamed/state');
    let version = 0;
    await eventually(async () => {
      await writeFile(local('.tmp'), `version ${++version};`.repeat(2000));
      await rename(local('.tmp'), local('ckpt/state'));
      return contents().length >= 2;
    }, 20_000);
    await sync.flush(always);
    for (const content of contents()) expect(new Set(content.split(';').slice(0, -1)).size).toBe(1);
  });

  it('that only grows is published as a prefix now and then', async () => {
    const sync = await mirror('log', { maxWaitMs: 100 });
    const contents = bodies('log/train.log');
    let lines = 0;
    await eventually(async () => {
      await appendFile(local('ckpt/train.log'), `line ${++lines}\n`);
      return contents().length >= 3;
    });
    await sync.flush(always);
    const whole = Array.from({ length: lines }, (_, index) => `line ${index + 1}\n`).join('');
    expect(contents().at(-1)).toBe(whole);
    for (const content of contents()) expect(whole.startsWith(content)).toBe(true);
    expect(contents().length).toBeLessThan(lines);
  });
});

describe('a suspended sync', () => {
  it('aborts what is under way, writes nothing, and goes on when resumed', async () => {
    const sync = await mirror('fence');
    const arrived = Promise.withResolvers<undefined>();
    bench.relay.interfere = ({ method }) =>
      method === 'PUT' ? new Promise(() => arrived.resolve(undefined)) : undefined;
    await bench.write('ckpt/model', 'x');
    await arrived.promise;
    await sync.suspend();
    bench.relay.interfere = () => undefined;
    const before = bench.relay.seen.length;
    const flushed = sync.flush(always);
    await mkdir(local('ckpt/more'));
    expect(bench.relay.seen.length).toBe(before);
    sync.resume();
    await flushed;
    expect(await bench.text('fence/model')).toBe('x');
  });
});

/** Keeps the `count`-th upload of an object from the store until it is released. */
function held(key: string, count: number) {
  const arrived = Promise.withResolvers<undefined>();
  const released = Promise.withResolvers<undefined>();
  let uploads = 0;
  const rule = async (seen: Relayed) => {
    if (seen.method !== 'PUT' || seen.key !== key || ++uploads !== count) return undefined;
    arrived.resolve(undefined);
    return released.promise;
  };
  return { rule, arrived: arrived.promise, release: () => released.resolve(undefined) };
}

const puts = (key: string) => bench.relay.seen.filter((seen) => seen.method === 'PUT' && seen.key === key);

/** Every state that the object ever had. */
function bodies(key: string): () => string[] {
  return () =>
    puts(key)
      .filter(({ status }) => status === 200)
      .map(({ body }) => body.toString());
}
