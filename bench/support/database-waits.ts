import pg from 'pg';
import { pause } from '../../lib/pause.ts';

/** What the connections of a database did, in the time that was looked at. */
export interface DatabaseWaits {
  /** How many worked, on the average. */
  active: number;
  /** What they waited for, in percent of those that worked, the most frequent first; COMPUTING is no wait. */
  waits: { event: string; percent: number }[];
  /** How many transactions wrote something, each second: each of them waits for the log to be on the disk. */
  commitsPerSecond: number;
}

export interface DatabaseWatch {
  /** Since the last report. */
  report(): Promise<DatabaseWaits>;
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 100;
const MOST_NAMED = 3;

/** Looks again and again at what each connection is at. */
export async function watchDatabase(databaseUrl: string): Promise<DatabaseWatch> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const stopping = new AbortController();
  let since = await writtenBy(client);
  let seen = new Map<string, number>();
  let looks = 0;
  const looking = (async () => {
    while (!stopping.signal.aborted) {
      const { rows } = await client.query<{ event: string; count: number }>(LOOK);
      looks += 1;
      for (const { event, count } of rows) seen.set(event, (seen.get(event) ?? 0) + count);
      await pause(LOOK_EVERY_MS, stopping.signal);
    }
  })();
  return {
    async report() {
      const now = await writtenBy(client);
      const all = [...seen.values()].reduce((sum, count) => sum + count, 0);
      const waits = [...seen].map(([event, count]) => ({ event, percent: Math.round((count / all) * 100) }));
      const found = {
        active: Math.round((all / Math.max(looks, 1)) * 10) / 10,
        waits: waits.sort(byPercent).slice(0, MOST_NAMED),
        commitsPerSecond: Math.round(((now.transactions - since.transactions) / (now.at - since.at)) * 1_000),
      };
      since = now;
      seen = new Map();
      looks = 0;
      return found;
    },
    async stop() {
      stopping.abort();
      await looking;
      await client.end();
    },
  };
}

const LOOK = `select coalesce(wait_event, 'COMPUTING') as event, count(*)::int as count from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and state = 'active' and pid <> pg_backend_pid() group by 1`;

/** Only a transaction that writes has a number of its own. */
async function writtenBy(client: pg.Client): Promise<{ at: number; transactions: number }> {
  const { rows } = await client.query<{ next: string }>('select pg_snapshot_xmax(pg_current_snapshot())::text as next');
  return { at: performance.now(), transactions: Number(rows[0]?.next) };
}

function byPercent(a: { percent: number }, b: { percent: number }): number {
  return b.percent - a.percent;
}
