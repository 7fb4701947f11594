import { execFileSync } from 'node:child_process';
import { mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { SyncError } from '../../../agent/sync/attempt-sync.ts';
import { isOfMachine } from '../../../agent/sync/errors.ts';
import { createS3Store } from '../../../agent/sync/s3.ts';
import { always, benchOfFile, BUCKET, eventually, instruction } from './support/bench.ts';

const bench = await benchOfFile();
const { local } = bench;
const mounted: string[] = [];
afterEach(unmount);

/** A file system of its own for the local path `in`; where none can be had the test is skipped. */
async function mount(context: TestContext, options: string): Promise<string> {
  await mkdir(local('in'));
  mountOrSkip(context, ['-t', 'tmpfs', '-o', options, 'tmpfs', local('in')]);
  return local('in');
}

/** The same, on a disk that is a file, `disk`. */
async function mountDisk(context: TestContext): Promise<void> {
  await mkdir(local('in'), { recursive: true });
  mountOrSkip(context, ['-o', 'loop', local('disk'), local('in')]);
}

function mountOrSkip(context: TestContext, args: string[]): void {
  try {
    execFileSync('mount', args, { stdio: 'pipe' });
  } catch (error) {
    console.warn(`a test on a file system of its own is skipped, because mounting needs root: ${String(error)}`);
    context.skip();
  }
  mounted.push(args.at(-1) ?? '');
}

/** An empty disk in a file. */
async function makeDisk(context: TestContext): Promise<void> {
  await writeFile(local('disk'), '');
  await truncate(local('disk'), DISK_BYTES);
  try {
    execFileSync('mkfs.ext4', ['-q', '-F', local('disk')], { stdio: 'pipe' });
  } catch (error) {
    console.warn(`a test on a disk of its own is skipped, because none can be made: ${String(error)}`);
    context.skip();
  }
}

/** A thread that was ended within a write has its file open until that is over. */
async function unmount(): Promise<void> {
  for (const path of mounted.splice(0)) await eventually(() => isUnmounted(path), 20_000);
}

function isUnmounted(path: string): boolean {
  try {
    execFileSync('umount', [path], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

const DISK_BYTES = 24 * 2 ** 20;

const down = (prefix: string) =>
  bench.sync({ before: [instruction('DOWNLOAD', prefix, 'in')], settings: { maxRetries: 9 } });

describe('a download to a disk', () => {
  it('that is full is incomplete at once, and leaves no half of the file', async (context) => {
    const path = await mount(context, 'size=1m');
    await bench.put('full/small', 'fits');
    await bench.put('full/large', Buffer.alloc(3 * 2 ** 20));
    // Whichever of the two is written last.
    const reason = /"full\/(?:large|small)" could not be downloaded.*ENOSPC/;
    const error: unknown = await down('full')
      .download(always)
      .then(undefined, (fault: unknown) => fault);
    expect(String(error)).toMatch(reason);
    expect(isOfMachine(error)).toBe(true);
    expect((await readdir(path)).filter((name) => name !== 'small')).toEqual([]);
    expect(bench.relay.seen.filter(({ key }) => key === 'full/large')).toHaveLength(1);
  });

  it('that may not be written to is incomplete at once', async (context) => {
    await mount(context, 'ro');
    await bench.put('closed/data', 'x');
    await expect(down('closed').download(always)).rejects.toThrow(SyncError);
    expect(bench.relay.seen.filter(({ method, query }) => method === 'GET' && !query.has('list-type'))).toEqual([]);
  });
});

describe('an upload from a disk', () => {
  const SIZES = [5 * 2 ** 20, 9 * 2 ** 20];

  it('that does not give back what was written fails at once, and is a fault of the machine', async (context) => {
    await makeDisk(context);
    await mountDisk(context);
    for (const size of SIZES) await writeFile(local(`in/of-${size}`), Buffer.alloc(size, 'a'));
    await unmount();
    await mountDisk(context);
    // The names are there, and of the content nothing.
    await truncate(local('disk'), 4 * 2 ** 20);
    for (const size of SIZES) {
      const sync = bench.sync({
        after: [instruction('UPLOAD', 'lost', 'in', { pattern: `of-${size}` })],
        settings: { maxRetries: 9 },
      });
      const error: unknown = await sync.uploadAfter(always).then(undefined, (fault: unknown) => fault);
      expect(error).toBeInstanceOf(SyncError);
      expect(String(error)).toMatch(/"of-\d+" could not be uploaded.*EIO/);
      expect(isOfMachine(error)).toBe(true);
    }
    expect(await bench.keys('lost/')).toEqual([]);
  });
});

describe('a download to a disk that hangs', () => {
  it('is over some seconds after it was given up, and what came of it is left to the next cleaning', async (context) => {
    await makeDisk(context);
    await mountDisk(context);
    await bench.put('hung/data', 'x');
    const landing = createS3Store({ endpoint: bench.relay.url, region: 'us-east-1' });
    const abort = new AbortController();
    const file = landing.land(local('in/part'), false);
    const address = { bucket: BUCKET, key: 'hung/data' };
    expect(await file.take(address, { totalSize: 1 }, () => undefined, abort.signal)).toMatchObject({ received: 1 });
    execFileSync('fsfreeze', ['-f', local('in')]);
    try {
      const kept = file.keep(local('in/data'), new Date(0), abort.signal);
      abort.abort(new Error('cancelled'));
      await expect(kept).rejects.toMatchObject({ name: 'ThreadGone' });
      await file.drop(abort.signal);
    } finally {
      execFileSync('fsfreeze', ['-u', local('in')]);
      landing.close();
    }
  });
});
