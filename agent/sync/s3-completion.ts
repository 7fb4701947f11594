import { CompleteMultipartUploadCommand, type S3Client } from '@aws-sdk/client-s3';
import { anyOf } from '../../lib/signals.ts';
import { statusOf } from './cause.ts';
import type { Address } from './entry.ts';
import { notFromStore } from './foreign-answer.ts';

/** The parts that are to become an object. */
export interface Completion {
  uploadId: string;
  /** Of the parts, in their order. */
  etags: readonly string[];
  /** The ETag of the object to be replaced, null where there is none; absent where it may be whatever is there. */
  before?: string | null;
}

/**
 * Resolves to the ETag of the object that the parts became. With `before`, rejects with a status of 412, or NoSuchKey, where something else is
 * there, and with one of 409, or ConditionalRequestConflict, while another write to the object is under way; not every store looks. In an
 * answer that began as a success only the name tells.
 */
export type CompleteMultipart = (address: Address, completion: Completion, signal: AbortSignal) => Promise<string>;

/** Not every store takes conditions: one that has refused what it then took without is not given any again. */
export function completions(client: S3Client): CompleteMultipart {
  let takesConditions = true;
  const send = async ({ bucket, key }: Address, { uploadId, etags, before }: Completion, signal: AbortSignal) => {
    const command = new CompleteMultipartUploadCommand({
      Bucket: bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts: etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 })) },
      ...(typeof before === 'string' ? { IfMatch: before } : {}),
      ...(before === null ? { IfNoneMatch: '*' } : {}),
    });
    const { ETag } = await client.send(command, { abortSignal: anyOf(signal) });
    if (ETag === undefined) throw notFromStore(`the completion of "${key}"`, 'ETag');
    return ETag;
  };
  return async (address, { before, ...plain }, signal) => {
    if (before === undefined || !takesConditions) return send(address, plain, signal);
    try {
      return await send(address, { ...plain, before }, signal);
    } catch (error) {
      if (!isIncapable(error)) throw error;
      const etag = await send(address, plain, signal);
      takesConditions = false;
      return etag;
    }
  };
}

const INCAPABLE = new Set(['NotImplemented', 'InvalidRequest', 'InvalidArgument']);

function isIncapable(error: unknown): boolean {
  return statusOf(error) === 501 || (error instanceof Error && INCAPABLE.has(error.name));
}
