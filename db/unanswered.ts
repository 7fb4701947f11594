import { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import pg, { type Client, type Pool, type PoolClient } from 'pg';
import { outside } from '../lib/outside.ts';

/** In milliseconds: some seconds more than PostgreSQL gives any statement of ours, except for what it does not limit: to commit it. */
const ANSWERED_WITHIN_MS = 20_000;
/** So many turns make that time. Turns are counted, not the clock: in a process that was frozen the answer may be there, unread. */
const TURNS = 4;
/** Whether anybody is there is answered in this share of that time. */
const SHARE_OF_A_QUESTION = 1 / 10;
/** To be reached over a new connection and to say who is at work, the database has as long as it has for any other connection. */
const SHARE_OF_LOOKING = 1 / 2;
/** Behind a pooler a statement waits for its turn before anybody works on it, and that may have taken the rest of that time. */
const SHARE_OF_WORK = 1 / 2;

/**
 * Gives up each connection of a pool over which a statement is not answered in time and on which nobody works, as whoever was at its other
 * side is gone without a word: a database's machine that died, a network that was cut. TCP would say so after a quarter of an hour, and of a
 * statement that had arrived never; meanwhile the connection, and the sweep or the heartbeat that waits for it, would be lost to this server.
 * The statement fails as with any connection that ends, so nobody knows whether it was done, and the pool makes another connection. Those that
 * rest meanwhile are asked whether anybody is there, half of them at a time, and wait as long again.
 *
 * What is worked on is waited for, however long: a commit that waits for a standby or for a disk has no limit, ends with no connection, and to
 * cancel it would show to everybody what the standby does not have. Each one given up would be a backend that stays, with another one opened in
 * its place, until PostgreSQL has no room for more. So the database is asked first who is at work, over a connection of its own.
 * @param options.withinMs how long an answer may take (20,000 ms)
 * @param options.pooled whether a pooler stands before the database, so that nobody knows which backend has a statement: then anyone of the
 *   same role that has worked for half that time may have it; no
 */
export function giveUpUnanswered(
  pool: Pool,
  {
    withinMs = ANSWERED_WITHIN_MS,
    pooled = false,
  }: { withinMs?: number | undefined; pooled?: boolean | undefined } = {},
): void {
  const watch: Watch = {
    withinMs,
    findWork: oneAtATime(() => findWork(pool, { withinMs, pooled })),
    askResting: oneAtATime(() => askResting(pool, withinMs * SHARE_OF_A_QUESTION)),
  };
  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as Query;
    const watched: Query = (...asked) => {
      const answer = query(...asked);
      if (answer instanceof Promise) watchOver(client, answer, watch);
      return answer;
    };
    // One function in place of one with a dozen signatures, all of which it hands on.
    client.query = watched as typeof client.query;
  });
}

type Query = (...asked: unknown[]) => unknown;

interface Watch {
  withinMs: number;
  /** Neither of these fails. */
  findWork: () => Promise<IsAtWork>;
  askResting: () => Promise<void>;
}

/** Whether somebody may be at work on what was asked over a connection. */
type IsAtWork = (client: PoolClient) => boolean;

function watchOver(client: PoolClient, answer: Promise<unknown>, { withinMs, findWork, askResting }: Watch): void {
  let isOver = false;
  let stop = (): void => undefined;
  const judge = async (): Promise<void> => {
    const isAtWork = await findWork();
    if (isOver) return;
    if (isAtWork(client)) {
      wait();
      return;
    }
    hangUp(client);
    await askResting();
  };
  const wait = (): void => {
    stop = countTurns(withinMs / TURNS, () => void outside(judge));
  };
  const end = (): void => {
    isOver = true;
    stop();
  };
  wait();
  answer.then(end, end);
}

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

/** A backend that waits for its client writes to nobody, or has nothing to do. */
const AT_WORK = `
  select pid, query_start <= clock_timestamp() - $1 * interval '1 ms' as "isLong"
  from pg_stat_activity
  where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
    and state = 'active' and wait_event_type is distinct from 'Client'`;

/**
 * Asks over a new connection, as all of the pool's may be waiting. Where nobody is reached, nobody is at work; but who is reached and does not
 * say, because there is no room for another connection or everybody is busy, may be at work on anything.
 */
async function findWork(pool: Pool, { withinMs, pooled }: { withinMs: number; pooled: boolean }): Promise<IsAtWork> {
  const { password } = pool.options;
  const socket = new Socket();
  // The password is none of those that are copied.
  const options = { ...pool.options, ...(password !== undefined && { password }), stream: () => socket };
  const client = new pg.Client({ ...options, connectionTimeoutMillis: 0 });
  // Before connect: without a listener, what happens to it would end this process.
  client.on('error', () => undefined);
  const stop = countTurns((withinMs * SHARE_OF_LOOKING) / TURNS, () => socket.destroy());
  let isReached = false;
  try {
    await client.connect();
    isReached = true;
    const { rows } = await client.query<{ pid: number; isLong: boolean }>(AT_WORK, [withinMs * SHARE_OF_WORK]);
    void client.end().catch(() => undefined);
    const pids = new Set(rows.map(({ pid }) => pid));
    const isAnyLong = rows.some(({ isLong }) => isLong);
    return (asking) => (pooled ? isAnyLong : pids.has(pidOf(asking)));
  } catch (error) {
    socket.destroy();
    return () => isReached || error instanceof pg.DatabaseError;
  } finally {
    stop();
  }
}

/** Asks those that rest whether anybody is there; the other half is left to whoever needs one meanwhile. */
async function askResting(pool: Pool, withinMs: number): Promise<void> {
  const asked = new WeakSet<PoolClient>();
  for (;;) {
    const taken = await takeResting(pool);
    const next = taken.filter((client) => !asked.has(client)).slice(0, Math.ceil(taken.length / 2));
    for (const client of taken) if (!next.includes(client)) client.release();
    if (next.length === 0) return;
    for (const client of next) asked.add(client);
    await Promise.all(next.map((client) => ask(client, withinMs)));
  }
}

/** They come at once: one that does not was somebody else's by then, and nothing is kept from others until it comes. */
async function takeResting(pool: Pool): Promise<PoolClient[]> {
  const taken: PoolClient[] = [];
  let isLate = false;
  const keep = (client: PoolClient): void => {
    if (isLate) client.release();
    else taken.push(client);
  };
  for (let left = pool.idleCount; left > 0; left--) void pool.connect().then(keep, () => undefined);
  await setImmediate();
  isLate = true;
  return taken;
}

async function ask(client: PoolClient, withinMs: number): Promise<void> {
  const stop = countTurns(withinMs / TURNS, () => hangUp(client));
  await client.query('select 1').catch(() => undefined);
  stop();
  client.release();
}

/** While a statement is under way, the driver ends the connection without a goodbye; the pool has lost it when it is given back. */
function hangUp(client: PoolClient): void {
  void ofDriver(client).end();
}

function pidOf(client: PoolClient): number {
  return ofDriver(client).processID;
}

/** A pool's are what its driver makes; their type leaves out what only the pool should do, and what they know of their backend. */
function ofDriver(client: PoolClient): Client & { processID: number } {
  return client as PoolClient & Client & { processID: number };
}

/** Who asks while it is under way shares it. */
function oneAtATime<Result>(run: () => Promise<Result>): () => Promise<Result> {
  let underWay: Promise<Result> | undefined;
  return () => (underWay ??= run().finally(() => (underWay = undefined)));
}
