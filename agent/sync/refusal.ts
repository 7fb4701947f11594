import { S3ServiceException } from '@aws-sdk/client-s3';

/** Whether the store says that it does not do this, or not for this key, rather than that it failed. */
export function isRefusal(error: unknown): boolean {
  return error instanceof S3ServiceException && REFUSALS.has(error.$metadata.httpStatusCode ?? 0);
}

const REFUSALS = new Set([401, 403, 405, 501]);
