/** Which uploads fail, for how long, and why. Times are milliseconds of a clock that never goes back. */
export interface Failing {
  /** A try to bring this file into the bucket failed, `why` in few words. */
  failed(id: string, why: string, now: number): void;
  /** Something of this file has arrived. */
  worked(id: string): void;
  /** Only these files are still to be published: what became of the others concerns nobody any more. */
  keep(ids: ReadonlySet<string>): void;
  /** What is worth a warning: since when, and what was heard last. */
  trouble(now: number): Trouble | undefined;
}

export interface Trouble {
  since: number;
  why: string;
}

/** A file that failed so often in a row, or for longer than so many milliseconds, is worth a warning. */
const FAILURES = 3;
const PATIENCE_MS = 30_000;

export function createFailing(): Failing {
  const failures = new Map<string, Trouble & { count: number; at: number }>();
  return {
    failed(id, why, now) {
      const before = failures.get(id);
      failures.set(id, { since: before?.since ?? now, count: (before?.count ?? 0) + 1, at: now, why });
    },
    worked: (id) => void failures.delete(id),
    keep(ids) {
      for (const id of failures.keys()) if (!ids.has(id)) failures.delete(id);
    },
    trouble(now) {
      const bad = [...failures.values()].filter(({ count, since }) => count >= FAILURES || now - since > PATIENCE_MS);
      if (bad.length === 0) return undefined;
      const newest = bad.reduce((a, b) => (b.at > a.at ? b : a));
      return { since: Math.min(...bad.map(({ since }) => since)), why: newest.why };
    },
  };
}
