import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from '../../lib/port.ts';
import { startRealStore } from '../../tests/support/real-store.ts';

/** A store that keeps its objects as files on disk, in a process of its own. */
export interface BenchStore extends AnyStore {
  /** Where an object of the bucket is a file of the same name. */
  directory: string;
}

/** A store that clients alone can see into. */
export interface AnyStore {
  url: string;
  bucket: string;
  keyId: string;
  secret: string;
  client: S3Client;
  stop(): Promise<void>;
}

const KEY_ID = 'benchmark';
const SECRET = 'benchmark-secret';
const BUCKET = 'bench';

/**
 * versitygw over a directory: of the stores that a package manager brings, it does the least besides storing, so what is
 * measured is the clients. Objects are plain files, so that what arrived can be compared without any client.
 */
export async function startStore(gateway: string, parent: string): Promise<BenchStore> {
  const directory = join(parent, 'store');
  await mkdir(directory);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    gateway,
    [
      '--access',
      KEY_ID,
      '--secret',
      SECRET,
      '--port',
      `127.0.0.1:${port}`,
      '--quiet',
      '--keep-alive',
      'posix',
      directory,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'], cwd: parent },
  );
  return { ...(await withBucket(url, () => end(child))), directory: join(directory, BUCKET) };
}

/** SeaweedFS, which keeps the parts of an object where they are, and so joins nothing. */
export async function startSeaweed(): Promise<AnyStore> {
  const store = await startRealStore('seaweedfs', { accessKeyId: KEY_ID, secretAccessKey: SECRET });
  return withBucket(store.url, () => store.stop());
}

async function withBucket(url: string, stop: () => Promise<void>): Promise<AnyStore> {
  const client = new S3Client({
    endpoint: url,
    forcePathStyle: true,
    region: 'us-east-1',
    credentials: { accessKeyId: KEY_ID, secretAccessKey: SECRET },
    maxAttempts: 50,
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET })).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return {
    ...{ url, client, bucket: BUCKET, keyId: KEY_ID, secret: SECRET },
    async stop() {
      client.destroy();
      await stop();
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
