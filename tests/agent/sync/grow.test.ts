import { randomBytes } from 'node:crypto';
import { appendFile, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Relayed } from './support/relay.ts';
import { always, benchOfFile, eventually, instruction } from './support/bench.ts';
import { mirrorByHand } from './support/by-hand.ts';

const bench = await benchOfFile();

const MIB = 2 ** 20;
const isPart = ({ query }: Relayed) => query.has('partNumber');
const isCopy = (seen: Relayed) => isPart(seen) && seen.status === 200 && seen.body.length === 0;
const bytesOf = async (key: string) => Buffer.from((await (await bench.get(key)).Body?.transformToByteArray()) ?? []);

/** Grows from 17 MiB to more while it is mirrored, and is then left alone. Resolves to its path. */
async function growMirrored(prefix: string): Promise<string> {
  const path = await bench.write('run/trajectory.xtc', randomBytes(17 * MIB));
  const sync = bench.sync({ during: [instruction('UPLOAD', prefix, 'run')] });
  await sync.prepare();
  await sync.watch();
  await eventually(() => sync.counts().filesUploaded > 0, 10_000);
  await appendFile(path, randomBytes(3 * MIB));
  await sync.flush(always);
  return path;
}

describe('a growing file', () => {
  it('is looked at again as soon as it is due, however long it goes on without a break', async () => {
    const path = await bench.write('run/train.log', 'a line\n');
    // It never rests, so nothing else asks for a look that soon.
    const mirror = mirrorByHand(bench, 'due', { stabilityCheckMs: 60_000, maxWaitMs: 100 });
    await eventually(async () => {
      await appendFile(path, 'one more\n');
      const { again = Infinity } = await mirror.pass(always);
      return again <= 100;
    }, 10_000);
    await mirror.settled();
    expect(await bench.text('due/train.log')).toMatch(/^a line\n(one more\n)+$/);
  });

  it('is sent once: what the bucket has of it is copied there', async () => {
    const path = await bench.write('run/trajectory.xtc', randomBytes(17 * MIB));
    const sync = bench.sync({ during: [instruction('UPLOAD', 'copied', 'run')], settings: { stabilityCheckMs: 150 } });
    await sync.prepare();
    await sync.watch();
    const growing = setInterval(() => void appendFile(path, 'one more frame'), 20);
    try {
      await eventually(() => bench.relay.seen.some(isCopy), 15_000);
    } finally {
      clearInterval(growing);
    }
    await sync.flush(always);
    const content = await readFile(path);
    expect((await bytesOf('copied/trajectory.xtc')).equals(content)).toBe(true);
    const copied = bench.relay.seen.filter(isCopy).length;
    expect(copied).toBeGreaterThanOrEqual(2);
    const sent = bench.relay.seen.filter(isPart).reduce((sum, { body }) => sum + body.length, 0);
    expect(sync.counts().bytesUploaded).toBeLessThanOrEqual(sent);
  });

  it('is sent again by a store that cannot copy', async () => {
    let asked = 0;
    bench.relay.interfere = async (seen) => {
      if (!isPart(seen) || seen.body.length > 0) return undefined;
      asked += 1;
      return 501;
    };
    const path = await bench.write('run/trajectory.xtc', randomBytes(17 * MIB));
    const sync = bench.sync({
      during: [instruction('UPLOAD', 'uncopied', 'run')],
      settings: { stabilityCheckMs: 150 },
    });
    await sync.prepare();
    await sync.watch();
    const growing = setInterval(() => void appendFile(path, 'one more frame'), 20);
    try {
      await eventually(() => asked > 0, 15_000);
    } finally {
      clearInterval(growing);
    }
    await sync.flush(always);
    expect((await bytesOf('uncopied/trajectory.xtc')).equals(await readFile(path))).toBe(true);
  });

  it('whose beginning was changed is never pieced together of old and new', async () => {
    const path = await growMirrored('rewritten');
    bench.relay.seen.length = 0;
    const sync = bench.sync({ during: [instruction('UPLOAD', 'pieced', 'run')], settings: { stabilityCheckMs: 150 } });
    await sync.prepare();
    await sync.watch();
    const growing = setInterval(() => void appendFile(path, 'one more frame'), 20);
    try {
      await eventually(() => bench.relay.seen.some(isCopy), 15_000);
    } finally {
      clearInterval(growing);
    }
    const file = await open(path, 'r+');
    await file.write(Buffer.from('another beginning'), 0, 17, 0);
    await file.close();
    await sync.flush(always);
    expect((await bytesOf('pieced/trajectory.xtc')).equals(await readFile(join(path)))).toBe(true);
  });
});
