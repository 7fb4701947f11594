import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSigner, pathOf } from '../../../agent/sync/signature.ts';

const CREDENTIALS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('a signature', () => {
  // The examples of the documentation of Amazon S3, "Signature Calculations for the Authorization Header".
  it.each([
    [{ lifecycle: '' }, 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'],
    [{ 'max-keys': '2', prefix: 'J' }, '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'],
  ])('of the published example with the query %j is the published one', (query: Record<string, string>, expected) => {
    const request = { method: 'GET', host: 'examplebucket.s3.amazonaws.com', path: '/', query, headers: {} };
    const signed = createSigner('us-east-1', 's3').sign(
      { ...request, payloadHash: EMPTY },
      CREDENTIALS,
      new Date('2013-05-24T00:00:00Z'),
    );
    expect(signed.authorization).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
        `SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${expected}`,
    );
  });

  it('is another one with other credentials, on another day, and with a session token, by the same signer', () => {
    const signer = createSigner('us-east-1', 's3');
    const request = { method: 'GET', host: 'h', path: '/', query: {}, headers: {}, payloadHash: EMPTY };
    const day = new Date('2013-05-24T00:00:00Z');
    const of = (credentials: typeof CREDENTIALS & { sessionToken?: string }, now: Date) =>
      signer.sign(request, credentials, now).authorization;
    const all = [
      of(CREDENTIALS, day),
      of({ ...CREDENTIALS, secretAccessKey: 'another' }, day),
      of({ ...CREDENTIALS, sessionToken: 'token' }, day),
      of(CREDENTIALS, new Date('2013-05-25T00:00:00Z')),
    ];
    expect(new Set(all).size).toBe(4);
    expect(of(CREDENTIALS, day)).toBe(all[0]);
  });
});

describe('the path of a key', () => {
  it('is the one that the SDK would ask for', async () => {
    const client = new S3Client({
      endpoint: 'http://127.0.0.1:1',
      forcePathStyle: true,
      region: 'us-east-1',
      credentials: CREDENTIALS,
    });
    const pathBySdk = async (key: string): Promise<string> => {
      const command = new HeadObjectCommand({ Bucket: 'bucket', Key: key });
      let path = '';
      command.middlewareStack.add(
        () => (args) => {
          path = (args.request as { path: string }).path;
          throw new Error('seen');
        },
        { step: 'finalizeRequest', priority: 'low' },
      );
      await expect(client.send(command)).rejects.toThrow('seen');
      return path;
    };
    const key = fc.string({
      unit: fc.constantFrom(...Array.from('aZ0-_.~/ !\'()*+&=%#?@:;,$"<>\\^`{|}ä☃\n')),
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(key, async (text) => {
        expect(`/bucket/${pathOf(text)}`).toBe(await pathBySdk(text));
      }),
      { numRuns: 200 },
    );
  });
});
