import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { number } from './support/flags.ts';
import { gatewayOrExit } from './support/peers.ts';
import { rounded, say } from './support/stats.ts';
import { type BenchStore, startStore } from './support/store.ts';
import { startMirror } from './support/sync.ts';

/**
 * A checkpoint is written over in place every 50 ms for 30 s: is every copy that a reader downloads meanwhile one whole version, and
 * how long after the last write is the last version in the bucket?
 */
const EVERY_MS = 50;
const SIZES = [64 * 2 ** 10, 20 * 2 ** 20];

export const overwrite = benchmark(
  'Is every copy of a file that is written over all the time one whole version, and how soon is the last one in the bucket?',
  {
    seconds: number('how long', 30, { whole: false, min: 1, max: 86_400 }),
  },
  measure,
);

async function measure({ seconds }: { seconds: number }): Promise<Figures> {
  const gateway = await gatewayOrExit();
  const directory = await makeTemporaryDirectory('kelpie-bench-overwrite-');
  const store = await startStore(gateway, directory);
  try {
    const figures: Record<string, unknown> = { seconds };
    for (const bytes of SIZES) {
      const { versions, copies, torn, settledMs } = await overwriteOne(directory, store, bytes, seconds);
      if (torn > 0) throw new Error(`${torn} of ${copies} copies of ${bytes} bytes were no whole version`);
      const name = `${rounded(bytes / 2 ** 10, 0)}_kib`;
      figures[`${name}_settled_ms`] = rounded(settledMs, 0);
      figures[`${name}_copies`] = copies;
      say(`${name}: ${versions} versions, ${copies} copies read, all whole; the last ${rounded(settledMs, 0)} ms late`);
    }
    return figures;
  } finally {
    await store.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function overwriteOne(directory: string, store: BenchStore, bytes: number, seconds: number) {
  const prefix = `overwrite-${bytes}`;
  const { local, sync } = await startMirror(directory, prefix, store);
  const reading = new AbortController();
  const read = { copies: 0, torn: 0, last: -1 };
  const reader = readOn(store, `${prefix}/model.ckpt`, bytes, read, reading.signal);
  const file = await open(join(local, 'model.ckpt'), 'w');
  let version = 0;
  const until = performance.now() + seconds * 1000;
  // A first version rests for a moment, as between two epochs: the bucket has something to lose.
  await file.write(contentOf(version, bytes), 0, bytes, 0);
  while (read.last < 0) await pauseFor(EVERY_MS);
  while (performance.now() < until) {
    version += 1;
    await file.write(contentOf(version, bytes), 0, bytes, 0);
    await pauseFor(EVERY_MS);
  }
  const lastWrite = performance.now() - EVERY_MS;
  while (read.last !== version && performance.now() - lastWrite < 60_000) await pauseFor(5);
  const settledMs = performance.now() - lastWrite;
  reading.abort();
  await reader;
  await file.close();
  await sync.finish();
  return { versions: version + 1, copies: read.copies, torn: read.torn, settledMs };
}

function pauseFor(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

/** Every eight bytes say the version. */
function contentOf(version: number, bytes: number): Buffer {
  const word = Buffer.alloc(8);
  word.writeBigUInt64LE(BigInt(version));
  return Buffer.alloc(bytes, word);
}

async function readOn(
  store: BenchStore,
  key: string,
  bytes: number,
  found: { copies: number; torn: number; last: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const copy = await store.client
      .send(new GetObjectCommand({ Bucket: store.bucket, Key: key }))
      .then(({ Body }) => Body?.transformToByteArray())
      .catch(() => undefined);
    if (copy === undefined) {
      await pauseFor(EVERY_MS);
      continue;
    }
    const content = Buffer.from(copy.buffer, copy.byteOffset, copy.length);
    const version = content.length === bytes ? Number(content.readBigUInt64LE()) : -1;
    const isWhole = version >= 0 && content.equals(contentOf(version, bytes));
    found.copies += 1;
    if (!isWhole) found.torn += 1;
    else found.last = version;
  }
}
