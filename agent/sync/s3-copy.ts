import { type S3Client, UploadPartCopyCommand } from '@aws-sdk/client-s3';
import { anyOf } from '../../lib/signals.ts';
import type { Address } from './entry.ts';
import { pathOf } from './signature.ts';

export interface CopiedPart {
  uploadId: string;
  /** From 1. */
  number: number;
  /** Inclusive at both ends, of the object that is there now. */
  range: [number, number];
  /** The copy is refused when the object is another one by now. */
  etag: string;
}

/** Makes a part of a new object of a range of the present one, inside the store. Resolves to the part's ETag. */
export type CopyPart = (address: Address, part: CopiedPart, signal: AbortSignal) => Promise<string>;

/** Not every store can copy parts: one that has said so is not asked again. */
export function copyRequests(client: S3Client): { copyPart: CopyPart } {
  let cannot: Error | undefined;
  return {
    async copyPart({ bucket, key }, { uploadId, number, range, etag }, signal) {
      if (cannot !== undefined) throw cannot;
      const command = new UploadPartCopyCommand({
        Bucket: bucket,
        Key: key,
        UploadId: uploadId,
        PartNumber: number,
        CopySource: `${bucket}/${pathOf(key)}`,
        CopySourceRange: `bytes=${range[0]}-${range[1]}`,
        CopySourceIfMatch: etag,
      });
      try {
        const { CopyPartResult } = await client.send(command, { abortSignal: anyOf(signal) });
        if (CopyPartResult?.ETag === undefined) throw noCopies(`answered without the ETag of the copy of "${key}"`);
        return CopyPartResult.ETag;
      } catch (error) {
        if (isIncapable(error)) cannot = error;
        throw error;
      }
    },
  };
}

const INCAPABLE = new Set(['NotImplemented', 'MethodNotAllowed', 'InvalidRequest', 'InvalidArgument', 'NoCopies']);

function isIncapable(error: unknown): error is Error {
  return error instanceof Error && INCAPABLE.has(error.name);
}

function noCopies(reason: string): Error {
  return Object.assign(new Error(`the store ${reason}`), { name: 'NoCopies' });
}
