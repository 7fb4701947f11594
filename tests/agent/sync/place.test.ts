import { S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { findPlace } from '../../../agent/sync/place.ts';

const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' };

describe('the place of a bucket', () => {
  it('is where the SDK would send a request for it', async () => {
    const client = new S3Client({ region: 'eu-west-1', credentials });
    expect(await findPlace(client, 'hay')).toMatchObject({
      isSecure: true,
      host: 'hay.s3.eu-west-1.amazonaws.com',
      path: '',
    });
  });

  it.each([
    ['of S3 Express One Zone', 'hay--usw2-az1--x-s3', 'sigv4-s3express'],
    ['of several regions', 'arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap', 'sigv4a'],
  ])('%s is refused by name, with what is supported', async (_kind, bucket, scheme) => {
    const client = new S3Client({ region: 'us-west-2', credentials });
    const found = findPlace(client, bucket);
    await expect(found).rejects.toMatchObject({ name: 'UnsupportedBucket' });
    await expect(found).rejects.toThrow(`"${bucket}" wants ${scheme}: expected a general purpose bucket`);
  });
});
