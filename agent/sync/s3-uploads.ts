import { ListMultipartUploadsCommand, ListPartsCommand, type S3Client } from '@aws-sdk/client-s3';
import { anyOf } from '../../lib/signals.ts';
import type { Address } from './entry.ts';

export interface UnfinishedUpload {
  key: string;
  uploadId: string;
  /** By the store's clock. */
  begunAt: Date;
}

export interface UploadsMarker {
  key: string;
  uploadId: string | undefined;
}

export type UnfinishedUploads = (
  bucket: string,
  prefix: string,
  marker: UploadsMarker | undefined,
  signal: AbortSignal,
) => Promise<{ uploads: UnfinishedUpload[]; next: UploadsMarker | undefined }>;

/** One request per call, like those of `ObjectStore`. Of an upload that the store does not describe whole nothing is known. */
export function listUploads(client: S3Client): UnfinishedUploads {
  return async (bucket, prefix, marker, signal) => {
    const command = new ListMultipartUploadsCommand({
      ...{ Bucket: bucket, Prefix: prefix, EncodingType: 'url' },
      ...(marker === undefined ? {} : { KeyMarker: marker.key, UploadIdMarker: marker.uploadId }),
    });
    const page = await client.send(command, { abortSignal: own(signal) });
    const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key;
    const uploads = (page.Uploads ?? []).flatMap(({ Key, UploadId, Initiated }) =>
      Key === undefined || UploadId === undefined || Initiated === undefined
        ? []
        : [{ key: decode(Key), uploadId: UploadId, begunAt: Initiated }],
    );
    const { NextKeyMarker: key, NextUploadIdMarker: uploadId } = page;
    const isMore = page.IsTruncated === true && key !== undefined;
    return { uploads, next: isMore ? { key: decode(key), uploadId } : undefined };
  };
}

/** When the newest part of an unfinished upload arrived, by the store's clock; undefined when it has none. */
export type LastPart = (address: Address, uploadId: string, signal: AbortSignal) => Promise<Date | undefined>;

export function lastPart(client: S3Client): LastPart {
  return async ({ bucket, key }, uploadId, signal) => {
    let newest: Date | undefined;
    let marker: string | undefined;
    do {
      const place = { Bucket: bucket, Key: key, UploadId: uploadId, PartNumberMarker: marker };
      const page = await client.send(new ListPartsCommand(place), { abortSignal: own(signal) });
      for (const { LastModified: at } of page.Parts ?? []) {
        if (at !== undefined && (newest === undefined || at > newest)) newest = at;
      }
      marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return newest;
  };
}

/** The SDK may leave listeners on the signal it is given; of a signal of the request's own none are on the attempt's. */
export function own(signal: AbortSignal): AbortSignal {
  return anyOf(signal);
}

export function decodeKey(encoded: string): string {
  return decodeURIComponent(encoded.replaceAll('+', ' '));
}
