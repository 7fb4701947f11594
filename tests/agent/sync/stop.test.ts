import { randomBytes } from 'node:crypto';
import { watch } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createGuard } from '../../../agent/sync/guard.ts';
import { createPurger } from '../../../agent/sync/purge.ts';
import { askingUntil } from '../../../agent/sync/silence.ts';
import { always, benchOfFile, eventually, instruction } from './support/bench.ts';
import type { Relayed } from './support/relay.ts';

const bench = await benchOfFile();
const { local } = bench;

describe('stop', () => {
  it('aborts an upload in parts at once, discards the parts, and nothing arrives afterwards', async () => {
    const sync = bench.sync({
      during: [instruction('UPLOAD', 'stopped', 'out')],
      after: [instruction('UPLOAD', 'stopped', 'out')],
    });
    await sync.prepare();
    await sync.watch();
    const arrived = Promise.withResolvers<undefined>();
    const never = new Promise<undefined>(() => undefined);
    bench.relay.interfere = ({ query }) => {
      if (!query.has('partNumber')) return undefined;
      arrived.resolve(undefined);
      return never;
    };
    await bench.write('out/weights', randomBytes(10 * 2 ** 20));
    await arrived.promise;
    await sync.stop();
    const discarded = bench.relay.seen.filter(({ method, query }) => method === 'DELETE' && query.has('uploadId'));
    expect(discarded.map(({ status }) => status)).toEqual([204]);
    const requests = bench.relay.seen.length;
    await bench.write('out/later', 'x');
    await sync.stop();
    await expect(sync.flush(always)).rejects.toThrow('stopped');
    await expect(sync.uploadAfter(always)).rejects.toThrow('stopped');
    expect(bench.relay.seen.length).toBe(requests);
    expect(await bench.keys('stopped/')).toEqual([]);
  });

  it('discards an upload that the store had begun but not yet answered', async () => {
    const sync = bench.sync({ after: [instruction('UPLOAD', 'unheard', 'out')] });
    await bench.write('out/weights', randomBytes(10 * 2 ** 20));
    const arrived = Promise.withResolvers<undefined>();
    const release = Promise.withResolvers<undefined>();
    bench.relay.interfere = ({ query }) => {
      if (!query.has('uploads')) return undefined;
      arrived.resolve(undefined);
      return release.promise;
    };
    const uploading = expect(sync.uploadAfter(always)).rejects.toThrow('stopped');
    await arrived.promise;
    await sync.stop();
    await uploading;
    release.resolve(undefined);
    await eventually(() => bench.relay.seen.some(({ method, status }) => method === 'DELETE' && status === 204));
  });

  it.each(['stop', 'suspend'] as const)(
    'of a completion that the store has, but has not answered, leaves nothing that it could make an object of: %s',
    async (how) => {
      const sync = bench.sync({ after: [instruction('UPLOAD', how, 'out')] });
      await bench.write('out/weights', randomBytes(10 * 2 ** 20));
      const arrived = Promise.withResolvers<Relayed>();
      const release = Promise.withResolvers<'regardless'>();
      bench.relay.interfere = (seen) => {
        if (seen.method !== 'POST' || !seen.query.has('uploadId')) return undefined;
        arrived.resolve(seen);
        return release.promise;
      };
      const uploading = expect(sync.uploadAfter(always)).rejects.toThrow('stopped');
      const completion = await arrived.promise;
      await sync[how]();
      const discarded = bench.relay.seen.filter(({ method, query }) => method === 'DELETE' && query.has('uploadId'));
      expect(discarded.map(({ status }) => status)).toEqual([204]);
      // By now the job may be another's, who has published the same.
      await bench.put(`${how}/weights`, 'of a successor');
      release.resolve('regardless');
      await eventually(() => completion.status !== undefined);
      expect(await bench.text(`${how}/weights`)).toBe('of a successor');
      await sync.stop();
      await uploading;
    },
  );

  it('ends a download', async () => {
    await bench.put('stopping/file', 'x');
    const sync = bench.sync({ before: [instruction('DOWNLOAD', 'stopping', 'in')] });
    const arrived = Promise.withResolvers<undefined>();
    bench.relay.interfere = ({ key }) =>
      key === 'stopping/file' ? new Promise(() => arrived.resolve(undefined)) : undefined;
    const downloading = expect(sync.download(always)).rejects.toThrow('stopped');
    await arrived.promise;
    await sync.stop();
    await downloading;
    expect(await readdir(local('in'))).toEqual([]);
  });
});

describe('purge', () => {
  it('removes the contents of every local path, not the paths, and links without their targets', async () => {
    const place = (path: string) => instruction('UPLOAD', 'purge', path);
    const sync = bench.sync({
      before: [instruction('DOWNLOAD', 'none', 'in')],
      during: [place('ckpt')],
      after: [place('out')],
    });
    await sync.prepare();
    for (const path of ['in/a', 'ckpt/deep/b', 'out/.hidden', 'other/kept']) await bench.write(path, 'x');
    await symlink(local('other'), local('out/link'));
    await sync.purge(always);
    for (const path of ['in', 'ckpt', 'out']) expect(await readdir(local(path))).toEqual([]);
    expect(await readFile(local('other/kept'), 'utf8')).toBe('x');
  });

  it.each(['', '.', '..', '/', '/etc', '/usr/lib/kelpie', homedir(), process.cwd(), '/tmp'])(
    'leaves "%s" alone, with a warning',
    async (path) => {
      await bench.write('here', 'x');
      const warned: string[] = [];
      const log = {
        debug: ignore,
        info: ignore,
        error: ignore,
        warn: (_: object, message: string) => void warned.push(message),
      };
      const root = join(path.startsWith('/') ? '' : bench.directory(), path);
      await mkdir(local('dry'));
      // A path that may be absent on a machine is as good as left alone.
      const present = await lstat(root).then(
        () => true,
        () => false,
      );
      const guard = createGuard([root], [bench.directory()]);
      const purger = createPurger({ roots: [root], guard, jobId: 'a-job', asides: new Set(), log });
      await purger.takeOver(askingUntil(always));
      await purger.purge(askingUntil(always));
      expect(warned).toEqual(present ? ['this local path is synced, but never purged'] : []);
      expect(await readFile(local('here'), 'utf8')).toBe('x');
    },
  );

  it('does not follow a local path that is a link, or that leads elsewhere since the job began', async () => {
    await bench.write('precious/file', 'x');
    await symlink(local('precious'), local('linked'));
    await mkdir(local('real/out'), { recursive: true });
    const sync = bench.sync({
      after: [instruction('UPLOAD', 'p', 'linked'), instruction('UPLOAD', 'p', 'real/out')],
      workingDirectory: bench.directory(),
    });
    await sync.prepare();
    await rename(local('real'), local('moved'));
    await mkdir(local('precious/out'));
    await writeFile(local('precious/out/file'), 'x');
    await symlink(local('precious'), local('real'));
    await sync.purge(always);
    expect(await readFile(local('precious/file'), 'utf8')).toBe('x');
    expect(await readFile(local('precious/out/file'), 'utf8')).toBe('x');
    expect(bench.logged.filter(({ level }) => level === 'warn')).toHaveLength(2);
  });

  it('of what an agent that died left of another job comes before the next job, and its mark goes with the job', async () => {
    const given = { during: [instruction('UPLOAD', 'job-b', 'ckpt')] };
    await bench.sync({ ...given, jobId: 'job-a' }).prepare();
    await bench.write('ckpt/step-900', 'of job a');
    await bench.sync({ ...given, jobId: 'job-a' }).prepare();
    expect(await readdir(local('ckpt'))).toEqual(['step-900']);
    const next = bench.sync({ ...given, jobId: 'job-b' });
    await next.prepare();
    expect(await readdir(local('ckpt'))).toEqual([]);
    await bench.write('ckpt/step-1', 'of job b');
    await next.flush(always);
    expect(await bench.keys('job-b/')).toEqual(['job-b/step-1']);
    await next.purge(always);
    expect(await readdir(bench.directory())).toEqual(['ckpt']);
  });

  it('that has no time to end leaves nothing that an attempt of the same job would go on from', async () => {
    const given = { after: [instruction('UPLOAD', 'hurried', 'out')], jobId: 'job-a' };
    const sync = bench.sync(given);
    await sync.prepare();
    for (let file = 0; file < 1000; file++) await bench.write(`out/${file}`, 'x');
    const begun = new AbortController();
    const watcher = watch(local('out'), () => begun.abort(new Error('no more time')));
    await sync.purge(begun.signal);
    watcher.close();
    const left = await readdir(local('out'));
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThan(1000);
    await bench.sync(given).prepare();
    expect(await readdir(local('out'))).toEqual([]);
  });

  it('of what another job had left, when it is cut short, leaves nothing that an attempt of that job would go on from', async () => {
    const given = (jobId: string) => ({ after: [instruction('UPLOAD', 'taken-over', 'out')], jobId });
    await bench.sync(given('job-a')).prepare();
    for (let file = 0; file < 1000; file++) await bench.write(`out/${file}`, 'x');
    const next = bench.sync(given('job-b'));
    const watcher = watch(local('out'), () => void next.stop());
    await next.prepare();
    watcher.close();
    expect((await readdir(local('out'))).length).toBeGreaterThan(0);
    await bench.sync(given('job-a')).prepare();
    expect(await readdir(local('out'))).toEqual([]);
  });

  it('spares what lies in a local path that no job has used, and what is never purged', async () => {
    await bench.write('ckpt/part-of-the-image', 'x');
    for (const jobId of ['job-a', 'job-b']) {
      await bench.sync({ after: [instruction('UPLOAD', 'spared', '.')], jobId }).prepare();
    }
    await bench.sync({ during: [instruction('UPLOAD', 'spared', 'ckpt')], jobId: 'job-c' }).prepare();
    expect(await readdir(local('ckpt'))).toEqual(['part-of-the-image']);
  });

  it('leaves nothing running: it stops first', async () => {
    const sync = bench.sync({ during: [instruction('UPLOAD', 'purged', 'out')] });
    await sync.prepare();
    await bench.write('out/model', 'x');
    await sync.flush(always);
    await sync.purge(always);
    await expect(sync.flush(always)).rejects.toThrow('stopped');
    expect(await bench.keys('purged/')).toEqual(['purged/model']);
  });
});

function ignore(): void {
  // Not looked at.
}
