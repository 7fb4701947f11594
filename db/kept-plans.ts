import type { Pool, PoolClient } from 'pg';

const names = new Map<string, string>();

/**
 * Marks a statement that is asked all the time, and takes longer to plan than to execute: each connection plans it for good, under this
 * name, instead of each time. For statements that find one row by its primary key: a plan for many rows, made when a table was small, would go on
 * reading all of it. And for those that name each column that they return: PostgreSQL refuses a kept plan whose columns have changed.
 */
export function keepPlan(name: string, text: string): void {
  names.set(text, name);
}

/** Has every connection of a pool keep those plans. Not for one behind which a pooler stands: what it keeps, it keeps for somebody else. */
export function keepPlans(pool: Pool): void {
  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as Query;
    const named: Query = (text, values, ...more) => {
      const name = typeof text === 'string' ? names.get(text) : undefined;
      return name === undefined ? query(text, values, ...more) : query({ name, text, values }, ...more);
    };
    // One function in place of one with a dozen signatures, all of which it hands on.
    client.query = named as typeof client.query;
  });
}

type Query = (text: unknown, ...rest: unknown[]) => unknown;
