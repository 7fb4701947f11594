import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { startS3 } from '../../../deploy/local/s3.ts';
import { listenLocally } from '../../../lib/port.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('the buckets asked for are there, and an object comes back as it went', async () => {
  const store = await start({ buckets: ['inputs', 'outputs'] });
  const s3 = client(store.url);

  const { Buckets } = await s3.send(new ListBucketsCommand({}));
  await s3.send(new PutObjectCommand({ Bucket: 'outputs', Key: 'deep/er/résumé.txt', Body: 'hello' }));
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'outputs', Key: 'deep/er/résumé.txt' }));

  expect(Buckets?.map(({ Name }) => Name)).toEqual(['inputs', 'outputs']);
  expect(await Body?.transformToString()).toBe('hello');
});

test('parts of 8 MiB make one object', async () => {
  const store = await start({ buckets: ['outputs'] });
  const s3 = client(store.url);
  const target = { Bucket: 'outputs', Key: 'large.bin' };
  const parts = [Buffer.alloc(8 * 2 ** 20, 'a'), Buffer.alloc(1, 'b')];

  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(target));
  const done = [];
  for (const [index, Body] of parts.entries()) {
    const { ETag } = await s3.send(new UploadPartCommand({ ...target, UploadId, PartNumber: index + 1, Body }));
    done.push({ ETag, PartNumber: index + 1 });
  }
  await s3.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts: done } }));

  expect((await s3.send(new HeadObjectCommand(target))).ContentLength).toBe(8 * 2 ** 20 + 1);
});

test('a taken port becomes the next free one', async () => {
  const squatter = createServer();
  const port = await listenLocally(squatter);
  cleanups.push(() => squatter.close());

  const store = await start({ port });

  expect(Number(new URL(store.url).port)).toBeGreaterThan(port);
  expect((await client(store.url).send(new ListBucketsCommand({}))).$metadata.httpStatusCode).toBe(200);
});

test('stop ends the process, and may be called again', async () => {
  const store = await start();

  await store.stop();
  await store.stop();

  expect(isAlive(store.pid)).toBe(false);
  await expect(fetch(store.url)).rejects.toThrow('fetch failed');
});

test('a bucket that can not be made is an error, and leaves no process behind', async () => {
  await expect(startS3({ buckets: ['Not A Bucket!'] })).rejects.toThrow(/bucket Not A Bucket! could not be made/);
});

test.for(['SIGKILL', 'SIGTERM'] as const)('the store ends when its parent does, by %s', async (signal) => {
  const { parent, url } = await startParent();
  expect((await fetch(url)).ok).toBe(true);

  parent.kill(signal);
  await once(parent, 'exit');

  // It is nobody's child now, so there is no exit to wait for; its id may stay until somebody reaps it.
  await vi.waitFor(() => expect(fetch(url)).rejects.toThrow('fetch failed'), { timeout: 5000, interval: 10 });
});

async function start(options?: Parameters<typeof startS3>[0]) {
  const store = await startS3(options);
  cleanups.push(store.stop);
  return store;
}

function client(endpoint: string): S3Client {
  const s3 = new S3Client({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  cleanups.push(() => s3.destroy());
  return s3;
}

async function startParent(): Promise<{ parent: ChildProcess; url: string }> {
  const program = join(import.meta.dirname, 's3-parent.ts');
  const parent = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => parent.kill('SIGKILL'));
  for await (const line of createInterface({ input: parent.stdout })) {
    return { parent, ...z.object({ url: z.string() }).parse(JSON.parse(line)) };
  }
  throw new Error('expected the program to say where its store is, but it ended');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
