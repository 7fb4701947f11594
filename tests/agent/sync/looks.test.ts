import { open, rename, rm, writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Mirror } from '../../../agent/sync/mirror.ts';
import { askingUntil } from '../../../agent/sync/silence.ts';
import { always, benchOfFile, eventually } from './support/bench.ts';
import { type ByHand, mirrorByHand } from './support/by-hand.ts';

const bench = await benchOfFile();
const { local } = bench;
let mirror: Mirror | undefined;
afterEach(() => mirror?.settled());
const begin = (prefix: string, times: ByHand) => (mirror = mirrorByHand(bench, prefix, times));
const sent = (key: string) =>
  bench.relay.seen.filter((seen) => seen.method === 'PUT' && seen.key === key).map(({ body }) => body.toString());

/** As a program does that never leaves half of a file under a name. */
async function replace(name: string, content: string): Promise<void> {
  await writeFile(local('next'), content);
  await rename(local('next'), local(`run/${name}`));
}

it('a pass ends with the first look that is answered once its attempt is stopped', async () => {
  for (const name of ['a', 'b', 'c']) await bench.write(`run/${name}`, 'x');
  const stopping = new AbortController();
  const asked: string[] = [];
  const asking = askingUntil(stopping.signal, (path) => {
    asked.push(path);
    if (path !== local('run')) stopping.abort(new Error('the attempt was stopped'));
  });
  const looking = begin('stopped', { stabilityCheckMs: 1, maxWaitMs: 1, asking });
  await expect(looking.pass(always)).rejects.toThrow('stopped');
  expect(asked.filter((path) => path !== local('run'))).toHaveLength(1);
});

describe('files that are replaced all the time', () => {
  it('are not published as somebody leaves them who begins to write them over in place after the look', async () => {
    let version = 0;
    await bench.write('run/data', 'version 0');
    await bench.write('run/latest', 'version 0');
    const looking = begin('half', { stabilityCheckMs: 100, maxWaitMs: 1 });
    let hasArrived = false;
    const released = Promise.withResolvers<undefined>();
    bench.relay.interfere = async ({ key }) => {
      if (key !== 'half/data') return undefined;
      hasArrived = true;
      return released.promise;
    };
    // `data` is on its way in the end, and `latest` waits for it, because it was written later.
    await eventually(async () => {
      version += 1;
      await replace('data', `version ${version}`);
      await replace('latest', `version ${version}`);
      await looking.pass(always);
      return hasArrived;
    }, 20_000);
    const file = await open(local('run/latest'), 'w');
    await file.write('half of');
    released.resolve(undefined);
    await looking.settled();
    for (const content of sent('half/latest')) expect(content).toMatch(/^version \d+$/);
    await file.write(' something');
    await file.close();
    await looking.finish({ deletes: true }, always);
    expect(sent('half/latest').at(-1)).toBe('half of something');
  });
});

describe('a file that is not there', () => {
  it('when one look is taken, and is at the next, stays in the bucket', async () => {
    await bench.write('run/deep/weights', 'w');
    await bench.write('run/other', 'o');
    const looking = begin('away', { stabilityCheckMs: 0, maxWaitMs: 5_000 });
    const asked = () => bench.relay.seen.map(({ method, key }) => `${method} ${key}`);
    await eventually(async () => {
      await looking.pass(always);
      return asked().includes('PUT away/deep/weights') && asked().includes('PUT away/other');
    });
    await rename(local('run/deep'), local('deep'));
    expect(await looking.pass(always)).toMatchObject({ again: 0 });
    await rename(local('deep'), local('run/deep'));
    await looking.pass(always);
    expect(asked().filter((request) => request.startsWith('DELETE'))).toEqual([]);
    await rm(local('run/deep'), { recursive: true });
    await looking.pass(always);
    await looking.pass(always);
    expect(asked().filter((request) => request.startsWith('DELETE'))).toEqual(['DELETE away/deep/weights']);
  });
});
