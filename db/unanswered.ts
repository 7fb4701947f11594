import type { Client, Pool, PoolClient } from 'pg';
import { outside } from '../lib/outside.ts';

/** In milliseconds: some seconds more than PostgreSQL gives any statement of ours, so what is unanswered then nobody works on any more. */
const ANSWERED_WITHIN_MS = 20_000;
/** So many turns make that time. Turns are counted, not the clock: in a process that was frozen the answer may be there, unread. */
const TURNS = 4;
/** Whether anybody is there is answered in this share of that time. */
const SHARE_OF_A_QUESTION = 1 / 10;

/**
 * Gives up each connection of a pool over which a statement is not answered in time, as whoever was at its other side is gone without a word: a
 * database's machine that died, a network that was cut. TCP would say so after a quarter of an hour, and of a statement that had arrived
 * never; meanwhile the connection, and the sweep or the heartbeat that waits for it, would be lost to this server. The statement fails as with
 * any connection that ends, so nobody knows whether it was done, and the pool makes another connection. Those that rest meanwhile are asked whether
 * anybody is there before somebody gets one of them, and waits as long again.
 * @param withinMs how long an answer may take (20,000 ms)
 */
export function giveUpUnanswered(pool: Pool, withinMs = ANSWERED_WITHIN_MS): void {
  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as Query;
    const watched: Query = (...asked) => {
      const answer = query(...asked);
      if (!(answer instanceof Promise)) return answer;
      const stop = countTurns(withinMs / TURNS, () => {
        hangUp(client);
        outside(() => askResting(pool, withinMs * SHARE_OF_A_QUESTION));
      });
      answer.then(stop, stop);
      return answer;
    };
    // One function in place of one with a dozen signatures, all of which it hands on.
    client.query = watched as typeof client.query;
  });
}

type Query = (...asked: unknown[]) => unknown;

/** Calls back after `TURNS` turns, once. Returns what stops it. */
function countTurns(turnMs: number, onOver: () => void): () => void {
  let left = TURNS;
  const timer = setInterval(() => {
    left -= 1;
    if (left > 0) return;
    clearInterval(timer);
    onOver();
  }, turnMs);
  // What keeps the process is the connection.
  timer.unref();
  return () => clearInterval(timer);
}

function askResting(pool: Pool, withinMs: number): void {
  for (let left = pool.idleCount; left > 0; left--) {
    void pool.connect().then(
      (client) => ask(client, withinMs),
      () => undefined,
    );
  }
}

async function ask(client: PoolClient, withinMs: number): Promise<void> {
  const timer = setTimeout(() => hangUp(client), withinMs).unref();
  await client.query('select 1').catch(() => undefined);
  clearTimeout(timer);
  client.release();
}

/** While a statement is under way, the driver ends the connection without a goodbye; the pool has lost it when it is given back. */
function hangUp(client: PoolClient): void {
  // A pool's are what its driver makes; their type leaves out what only the pool should do.
  void (client as PoolClient & Client).end();
}
