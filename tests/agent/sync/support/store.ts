import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { type S3, startS3 } from '../../../../deploy/local/s3.ts';

/** A store that has a bucket BUCKET. */
export interface TestStore {
  url: string;
  /** Past any relay. */
  client: S3Client;
  asksForSignatures: boolean;
  stop(): Promise<void>;
}

const GIVEN = process.env.KELPIE_TEST_S3_ENDPOINT;

/** A store that was given may serve several suites at once, so each process has a bucket of its own there. */
export const BUCKET = GIVEN === undefined ? 'herd' : `herd-${randomBytes(4).toString('hex')}`;

/** The agent finds the same in its environment. */
export async function openStore(): Promise<TestStore> {
  if (GIVEN !== undefined) {
    const client = clientOf(GIVEN);
    await client.send(new CreateBucketCommand({ Bucket: BUCKET })).catch(ignoreOwned);
    return {
      ...{ url: GIVEN, client, asksForSignatures: true },
      async stop() {
        await empty(client, eachByItself);
        client.destroy();
      },
    };
  }
  const { url } = await embeddedStore();
  const client = clientOf(url);
  return { url, client, asksForSignatures: false, stop: async () => client.destroy() };
}

/**
 * Of all the files that this process runs, one after the other: to start one costs more than most of them do with it. It ends with the
 * process.
 */
let embedded: S3 | undefined;

/** With nothing in it. In place of one that does not get empty comes another one. */
async function embeddedStore(): Promise<S3> {
  if (embedded !== undefined) {
    const client = clientOf(embedded.url);
    const isEmpty = await empty(client, allAtOnce).catch(() => false);
    client.destroy();
    if (isEmpty) return embedded;
    await embedded.stop();
  }
  return (embedded = await startS3({ buckets: [BUCKET] }));
}

function clientOf(endpoint: string): S3Client {
  const credentials = {
    accessKeyId: (process.env.AWS_ACCESS_KEY_ID ??= 'kelpie-tests'),
    secretAccessKey: (process.env.AWS_SECRET_ACCESS_KEY ??= 'a-secret-of-the-tests'),
  };
  return new S3Client({ endpoint, forcePathStyle: true, region: 'us-east-1', credentials });
}

/**
 * Files of one process use the same bucket one after the other, and may use the same keys.
 * @returns whether nothing is left
 */
async function empty(client: S3Client, remove: (client: S3Client, keys: string[]) => Promise<void>): Promise<boolean> {
  const tried = new Set<string>();
  for (;;) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    // Some stores list a key in other words than those that it was put by: it is nobody's, and stays.
    const keys = Contents.flatMap(({ Key }) => (Key === undefined || tried.has(Key) ? [] : [Key]));
    if (keys.length === 0) return Contents.length === 0;
    for (const key of keys) tried.add(key);
    await remove(client, keys);
  }
}

/** As the agent does it: not every store knows another way. */
async function eachByItself(client: S3Client, keys: string[]): Promise<void> {
  await Promise.all(keys.map((Key) => client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }))));
}

async function allAtOnce(client: S3Client, keys: string[]): Promise<void> {
  await client.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
}

function ignoreOwned(error: unknown): void {
  if (!(error instanceof Error && error.name.startsWith('BucketAlready'))) throw error;
}
