/** What has been carried in an attempt so far, over the wire and whole. Totals: the largest that was ever said counts. */
export interface Transferred {
  bytesDownloaded?: string | undefined;
  bytesUploaded?: string | undefined;
  filesDownloaded?: number | undefined;
  filesUploaded?: number | undefined;
}

/** The same as statements name it. */
export interface TransferredColumns {
  bytes_downloaded: string;
  bytes_uploaded: string;
  files_downloaded: number;
  files_uploaded: number;
}

export function transferredColumns(transferred: Transferred): TransferredColumns {
  return {
    bytes_downloaded: transferred.bytesDownloaded ?? '0',
    bytes_uploaded: transferred.bytesUploaded ?? '0',
    files_downloaded: transferred.filesDownloaded ?? 0,
    files_uploaded: transferred.filesUploaded ?? 0,
  };
}
