import { randomBytes } from 'node:crypto';
import { CreateBucketCommand, DeleteObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { startS3 } from '../../../../deploy/local/s3.ts';

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
  const credentials = {
    accessKeyId: (process.env.AWS_ACCESS_KEY_ID ??= 'kelpie-tests'),
    secretAccessKey: (process.env.AWS_SECRET_ACCESS_KEY ??= 'a-secret-of-the-tests'),
  };
  const clientOf = (url: string) =>
    new S3Client({ endpoint: url, forcePathStyle: true, region: 'us-east-1', credentials });
  if (GIVEN !== undefined) {
    const client = clientOf(GIVEN);
    await client.send(new CreateBucketCommand({ Bucket: BUCKET })).catch(ignoreOwned);
    return { url: GIVEN, client, asksForSignatures: true, stop: () => emptied(client) };
  }
  const server = await startS3({ buckets: [BUCKET] });
  const client = clientOf(server.url);
  return {
    ...{ url: server.url, client, asksForSignatures: false },
    async stop() {
      client.destroy();
      await server.stop();
    },
  };
}

/** Files of one process use the same bucket one after the other, and may use the same keys. */
async function emptied(client: S3Client): Promise<void> {
  const tried = new Set<string>();
  for (;;) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    // Some stores list a key in other words than those that it was put by: it is nobody's, and stays.
    const keys = Contents.flatMap(({ Key }) => (Key === undefined || tried.has(Key) ? [] : [Key]));
    if (keys.length === 0) break;
    for (const key of keys) tried.add(key);
    await Promise.all(keys.map((Key) => client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }))));
  }
  client.destroy();
}

function ignoreOwned(error: unknown): void {
  if (!(error instanceof Error && error.name.startsWith('BucketAlready'))) throw error;
}
