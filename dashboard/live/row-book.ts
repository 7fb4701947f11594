import { type FeedEvent, type JobRow, rowAfter } from './job-rows.ts';

/** The rows of a list, newest first, by id. */
export interface RowBook {
  readonly size: number;
  has(id: string): boolean;
  rows(): JobRow[];
  /** Adds a page that comes after all that is there. */
  append(page: readonly JobRow[]): void;
  /**
   * Puts rows, newest first, where they belong. One that is older than all that is there is left out while there are older ones that were
   * not loaded: it comes with them.
   */
  put(rows: readonly JobRow[], in_: { hasOlder: boolean; fits: (status: JobRow['status']) => boolean }): void;
  change(event: FeedEvent, fits: (status: JobRow['status']) => boolean): void;
  remove(id: string): void;
  /** Lets go of the oldest until at most so many are left. @returns whether there were more */
  trim(most: number): boolean;
}

export function createRowBook(): RowBook {
  const byId = new Map<string, JobRow>();
  let order: string[] = [];

  const remove = (id: string): void => {
    if (byId.delete(id)) order = order.filter((each) => each !== id);
  };
  const insert = (row: JobRow, hasOlder: boolean): void => {
    const place = order.findIndex((id) => (byId.get(id)?.createdAt ?? '') <= row.createdAt);
    if (place === -1 && hasOlder) return;
    byId.set(row.id, row);
    order.splice(place === -1 ? order.length : place, 0, row.id);
  };
  return {
    get size() {
      return order.length;
    },
    has: (id) => byId.has(id),
    rows: () => order.flatMap((id) => byId.get(id) ?? []),
    append(page) {
      for (const row of page) {
        if (!byId.has(row.id)) order.push(row.id);
        byId.set(row.id, row);
      }
    },
    put(rows, { hasOlder, fits }) {
      // The oldest first: those of one batch share their time, and each goes before the one it was listed before.
      for (const row of rows.toReversed()) {
        if (!fits(row.status)) remove(row.id);
        else if (byId.has(row.id)) byId.set(row.id, row);
        else insert(row, hasOlder);
      }
    },
    change(event, fits) {
      const row = byId.get(event.jobId);
      if (row === undefined) return;
      const changed = rowAfter(row, event);
      if (fits(changed.status)) byId.set(row.id, changed);
      else remove(row.id);
    },
    remove,
    trim(most) {
      const over = order.splice(most);
      over.forEach((id) => byId.delete(id));
      return over.length > 0;
    },
  };
}
