import type { Pool, PoolClient } from 'pg';

/** Who may have one of a pool's connections, and when. */
export interface Turns {
  /**
   * Waits until whoever asks now may have a connection.
   * @returns undefined where nobody has to wait, and nothing is counted
   */
  take(): Promise<Turn | undefined>;
}

export interface Turn {
  /** To be called once, when the connection is given back. */
  giveBack(): void;
  /**
   * Counts what is read, in characters. What it throws is the answer to the statement, of which nothing more is kept from then on.
   * Absent where as much as is there may be read.
   */
  count?: ((characters: number) => void) | undefined;
}

/** Gives the connections of a pool to whom `turns` lets have one. */
export function inTurns(pool: Pool, turns: Turns): void {
  const counts = new WeakMap<PoolClient, Turn['count']>();
  pool.on('connect', (client: PoolClient) => countOn(client, () => counts.get(client)));

  const connect = pool.connect.bind(pool);
  const connectInTurn = async (): Promise<PoolClient> => {
    const turn = await turns.take();
    if (turn === undefined) return connect();
    try {
      const client = await connect();
      counts.set(client, turn.count);
      const release = client.release.bind(client);
      client.release = (destroy) => {
        counts.delete(client);
        release(destroy);
        turn.giveBack();
      };
      return client;
    } catch (error) {
      turn.giveBack();
      throw error;
    }
  };
  // Kysely awaits it; whoever hands it a callback, as the pool's own `query` does, is none of those who take turns.
  const either = (callback?: Parameters<Pool['connect']>[0]): unknown =>
    callback === undefined ? connectInTurn() : connect(callback);
  pool.connect = either as Pool['connect'];
}

type Query = (text: unknown, ...rest: unknown[]) => unknown;

/** The parser of a value that throws is the driver's own way to end a statement: rows that follow are read over, and the connection stays good. */
function countOn(client: PoolClient, countNow: () => Turn['count']): void {
  const query = client.query.bind(client) as Query;
  const parserOf = client.getTypeParser.bind(client) as (id: number, format?: string) => (value: string) => unknown;
  const typesCountedBy = (count: NonNullable<Turn['count']>) => ({
    getTypeParser: (id: number, format?: string) => {
      const parse = parserOf(id, format);
      return (value: string) => {
        count(value.length);
        return parse(value);
      };
    },
  });
  const counted: Query = (text, values, ...more) => {
    const count = countNow();
    if (count === undefined || typeof text !== 'string' || more.length > 0) return query(text, values, ...more);
    return query({ text, values, types: typesCountedBy(count) });
  };
  // One function in place of one with a dozen signatures, all of which it hands on.
  client.query = counted as typeof client.query;
}
