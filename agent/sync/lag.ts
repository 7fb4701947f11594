/** For how long changes have not been in the bucket. Times are milliseconds of a clock that never goes back. */
export interface Lag {
  /** A look at the directories, at `now`, has found exactly these files to be published. */
  looked(ids: Iterable<string>, now: number): void;
  /** The bucket has this file as it was at the last look. */
  published(id: string): void;
  /** Age of the oldest unpublished change in milliseconds, 0 when there is none. */
  oldestMs(now: number): number;
}

/** A change counts from the look that found it: a file's own times are those of a clock that anybody may set. */
export function createLag(): Lag {
  let since = new Map<string, number>();
  return {
    looked(ids, now) {
      since = new Map([...ids].map((id) => [id, since.get(id) ?? now]));
    },
    published: (id) => void since.delete(id),
    oldestMs(now) {
      let oldest = now;
      for (const at of since.values()) oldest = Math.min(oldest, at);
      return now - oldest;
    },
  };
}
