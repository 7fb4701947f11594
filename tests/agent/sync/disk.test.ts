import { execFileSync } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { SyncError } from '../../../agent/sync/attempt-sync.ts';
import { isOfMachine } from '../../../agent/sync/errors.ts';
import { always, type Bench, instruction, startBench } from './support/bench.ts';

let bench: Bench;
let mounted: string[] = [];
beforeAll(async () => (bench = await startBench()));
afterAll(() => bench.stop());
beforeEach(() => bench.fresh());
afterEach(async () => {
  for (const path of mounted) execFileSync('umount', [path]);
  mounted = [];
  await bench.clear();
});

/** A file system of its own for the local path `in`; where none can be had the test is skipped. */
async function mount(context: TestContext, options: string): Promise<string> {
  const path = join(bench.directory(), 'in');
  await mkdir(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'pipe' });
  } catch (error) {
    console.warn(`a test on a file system of its own is skipped, because mounting needs root: ${String(error)}`);
    context.skip();
  }
  mounted.push(path);
  return path;
}

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
