import type { Observed } from './scan.ts';

/** What this attempt knows to be in the bucket, because it brought it from there or put it there. By object id. */
export type Ledger = Map<string, LedgerRecord>;

export interface LedgerRecord {
  /** Absolute path of the file whose content the object has. */
  path: string;
  /** The file's state with that content. */
  state: Observed;
  /** The object's ETag, where it was made of the file's own bytes. */
  etag?: string;
  /** What the store acknowledged, if this attempt has put the object there. */
  sent?: { size: number; etag: string };
}
