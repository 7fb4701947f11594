import type { Pool, PoolClient } from 'pg';

/**
 * Gives back to a pool the place of each connection that ends while somebody has it. Kysely does so for a statement, but not for a transaction
 * that can neither be begun, committed nor rolled back any more: each that a restart of the database had cut off would take its place for good,
 * until a server had none left and did nothing any more.
 */
export function freeLostConnections(pool: Pool): void {
  const taken = new WeakSet<PoolClient>();
  pool.on('acquire', (client: PoolClient) => void taken.add(client));
  pool.on('release', (_error: unknown, client: PoolClient) => void taken.delete(client));
  pool.on('connect', (client: PoolClient) => {
    client.once('end', () => {
      if (!taken.has(client)) return;
      client.release(true);
      // Whoever had it may give it back all the same.
      client.release = () => undefined;
    });
  });
}
