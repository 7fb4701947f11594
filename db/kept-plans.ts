import type { Pool, PoolClient } from 'pg';

/**
 * In milliseconds. A plan is made for the tables as they are then: one for a table of a page or two reads all of it, and is kept until
 * PostgreSQL looks at its statistics again, which may be never. So each connection makes its plans anew after this time, by the sizes that
 * the tables have by then (about 3 ms for all of ours). That counts as well for the plans of PostgreSQL's own checks of foreign keys.
 */
export const KEPT_FOR_MS = 2_000;

const names = new Map<string, string>();

/**
 * Marks a statement that is asked all the time, and takes longer to plan than to execute: each connection keeps its plan, under this
 * name, for `KEPT_FOR_MS`. For statements that find their rows by the values of a primary key that they are given, or of few, one after
 * the other, and not by a join of whole tables; and for those that name each column that they return, as PostgreSQL refuses a kept plan
 * whose columns have changed.
 */
export function keepPlan(name: string, text: string): void {
  names.set(text, name);
}

/** Has every connection of a pool keep those plans. Not for one behind which a pooler stands: what it keeps, it keeps for somebody else. */
export function keepPlans(pool: Pool): void {
  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as Query;
    let plannedAt = performance.now();
    const askKept = async (name: string, text: unknown, values: unknown): Promise<unknown> => {
      if (performance.now() - plannedAt >= KEPT_FOR_MS) {
        await query('discard plans');
        plannedAt = performance.now();
      }
      const isInTransaction = client.getTransactionStatus() !== 'I';
      try {
        return await query({ name, text, values });
      } catch (error) {
        if (!isRefused(error)) throw error;
        dropWhenReleased(client);
        // Nothing of it was written: many may have asked this together, and without a name it has no plan that is old.
        if (isInTransaction) throw error;
        return await query(text, values);
      }
    };
    const named: Query = (text, values, ...more) => {
      const name = typeof text === 'string' && more.length === 0 ? names.get(text) : undefined;
      return name === undefined ? query(text, values, ...more) : askKept(name, text, values);
    };
    // One function in place of one with a dozen signatures, all of which it hands on.
    client.query = named as typeof client.query;
  });
}

type Query = (text: unknown, ...rest: unknown[]) => unknown;

/**
 * The columns that it returns have changed (0A000), or there is no statement of this name (26000): as it is with everything that is asked of this
 * connection under that name from now on.
 */
function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === '0A000' || error.code === '26000');
}

/** Not at once: whoever has it may be in a transaction, which is to be rolled back. */
function dropWhenReleased(client: PoolClient): void {
  const release = client.release.bind(client);
  client.release = () => {
    release(true);
  };
}
