import { appendFile, rm } from 'node:fs/promises';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { WEED } from '../deploy/local/tools.ts';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { oneOf, toggle } from './support/flags.ts';
import { gatewayOrExit, toolOrExit } from './support/peers.ts';
import { median, rounded, say } from './support/stats.ts';
import { type AnyStore, startSeaweed, startStore } from './support/store.ts';
import { startMirror } from './support/sync.ts';

/**
 * How old is the oldest byte that the bucket lacks of a file that grows by 20 MB a second up to 1 GiB? The file is mirrored by the
 * agent's own code in a process of its own; a reader asks for the size of the object all the time.
 */
const PIECE_BYTES = 1_000_000;
const PIECE_MS = 50;
const TOTAL_BYTES = 2 ** 30;
const READ_EVERY_MS = 50;
const NAMES = ['trajectory.xtc', 'train.log'];
const KINDS = ['xtc', 'log'] as const;

export const follow = benchmark(
  'How old is the oldest byte that the bucket lacks of a file that grows by 20 MB a second up to 1 GiB?',
  {
    only: oneOf('a file of that kind alone', KINDS),
    seaweedfs: toggle('on that store, in place of versitygw'),
  },
  measure,
);

async function measure({
  only,
  seaweedfs,
}: {
  only: (typeof KINDS)[number] | undefined;
  seaweedfs: boolean;
}): Promise<Figures> {
  const start = seaweedfs ? await seaweedOrExit() : await versitygwOrExit();
  const directory = await makeTemporaryDirectory('kelpie-bench-follow-');
  const store = await start(directory);
  try {
    const figures: Record<string, unknown> = { bytes: TOTAL_BYTES };
    for (const name of NAMES.filter((one) => only === undefined || one.endsWith(`.${only}`))) {
      const { worstMs, medianMs, endMs, peakBytes } = await followOne(directory, store, name);
      const key = name.replace(/\W/g, '_');
      figures[`${key}_lag_max_s`] = rounded(worstMs / 1000);
      figures[`${key}_lag_p50_s`] = rounded(medianMs / 1000);
      figures[`${key}_end_s`] = rounded(endMs / 1000);
      figures[`${key}_rss_mib`] = rounded(peakBytes / 2 ** 20, 0);
      say(`${name}: behind at most ${rounded(worstMs / 1000)} s, p50 ${rounded(medianMs / 1000)} s`);
      say(
        `${name}: whole in the bucket ${rounded(endMs / 1000)} s after its end; ${rounded(peakBytes / 2 ** 20, 0)} MiB`,
      );
    }
    return figures;
  } finally {
    await store.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function versitygwOrExit(): Promise<(directory: string) => Promise<AnyStore>> {
  const gateway = await gatewayOrExit();
  return (directory) => startStore(gateway, directory);
}

async function seaweedOrExit(): Promise<() => Promise<AnyStore>> {
  await toolOrExit(WEED);
  return startSeaweed;
}

async function followOne(directory: string, store: AnyStore, name: string) {
  const prefix = `follow-${name}`;
  const { local, sync } = await startMirror(directory, prefix, store);
  /** When each piece was written. */
  const written: number[] = [];
  const reading = new AbortController();
  const lags = watchLags(store, `${prefix}/${name}`, written, reading.signal);
  await grow(join(local, name), written);
  reading.abort();
  const found = await lags;
  const ended = performance.now();
  const { peakBytes } = await sync.finish();
  const endMs = performance.now() - ended;
  const want = await digestOfStream(createReadStream(join(local, name)));
  const got = await digestOfObject(store, `${prefix}/${name}`);
  if (want !== got) throw new Error(`the bucket has ${got} in place of ${want}`);
  return { worstMs: Math.max(...found), medianMs: median(found), endMs, peakBytes };
}

/** Keeps to the rate on the whole, also where one write was late. */
async function grow(path: string, written: number[]): Promise<void> {
  const piece = randomBytes(PIECE_BYTES);
  const began = performance.now();
  for (let count = 0; count * PIECE_BYTES < TOTAL_BYTES; count++) {
    const waitMs = began + count * PIECE_MS - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    written.push(performance.now());
    await appendFile(path, piece);
  }
}

/** Milliseconds since the first byte that the object lacks was written, each time that it was asked. */
async function watchLags(store: AnyStore, key: string, written: number[], signal: AbortSignal): Promise<number[]> {
  const lags: number[] = [];
  while (!signal.aborted) {
    const command = new HeadObjectCommand({ Bucket: store.bucket, Key: key });
    const size = await store.client.send(command).then(
      ({ ContentLength = 0 }) => ContentLength,
      () => 0,
    );
    const oldest = written[Math.floor(size / PIECE_BYTES)];
    if (oldest !== undefined) lags.push(performance.now() - oldest);
    await new Promise((resolve) => setTimeout(resolve, READ_EVERY_MS));
  }
  return lags;
}

async function digestOfObject({ client, bucket }: AnyStore, key: string): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  if (!(Body instanceof Readable)) throw new Error(`expected the content of ${key}, got none`);
  return digestOfStream(Body);
}

async function digestOfStream(content: Readable): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(content, hash);
  return hash.digest('hex');
}
