import { HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import { createSigner, type Signer } from './signature.ts';

/** Where requests for a bucket go. */
export interface Place {
  isSecure: boolean;
  hostname: string;
  port: number | undefined;
  host: string;
  path: string;
  signer: Signer;
}

/** Asks the SDK, which knows profiles, regions and styles of addresses, where it would send a request; it is never sent. */
export async function findPlace(client: S3Client, bucket: string): Promise<Place> {
  const command = new HeadBucketCommand({ Bucket: bucket });
  let place: Place | undefined;
  command.middlewareStack.add(
    (_next, context) => () => {
      const { url, properties } = context.endpointV2 ?? {};
      if (url === undefined) throw new Error(`the address of the bucket "${bucket}" is not known`);
      place = placeAt(url, schemeOf(properties?.authSchemes, bucket));
      throw new Found();
    },
    { step: 'build', priority: 'high', name: 'findPlace' },
  );
  await client.send(command).catch((error: unknown) => {
    if (!(error instanceof Found)) throw error;
  });
  if (place === undefined) throw new Error(`the address of the bucket "${bucket}" is not known`);
  return place;
}

class Found extends Error {}

interface Scheme {
  name?: string;
  signingName?: string;
  signingRegion?: string;
}

/** Thrown for a bucket of a kind that is not supported; trying again is of no use. */
export class UnsupportedBucket extends Error {
  override name = 'UnsupportedBucket';
}

function schemeOf(schemes: unknown, bucket: string): Scheme {
  const [first] = Array.isArray(schemes) ? (schemes as Scheme[]) : [];
  if (first?.name !== 'sigv4') {
    const supported = 'a general purpose bucket, of Amazon S3 or of any store that takes AWS Signature Version 4';
    const others = 'directory buckets (S3 Express One Zone) and multi-region access points are not supported';
    throw new UnsupportedBucket(`"${bucket}" wants ${first?.name ?? 'no signature'}: expected ${supported}; ${others}`);
  }
  return first;
}

function placeAt(url: URL, { signingName = 's3', signingRegion = 'us-east-1' }: Scheme): Place {
  return {
    isSecure: url.protocol === 'https:',
    // Brackets are for URLs; sockets want the bare address.
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? undefined : Number(url.port),
    host: url.host,
    path: url.pathname.replace(/(?<!\/)\/+$/, ''),
    signer: createSigner(signingRegion, signingName),
  };
}
