import { pause } from '../../lib/pause.ts';

/** What held up servers, in the time that was looked at. */
export interface Holdups {
  /** How late the event loop of the slowest was at the worst, in milliseconds. */
  server_late_ms: number;
  /** How many operations of one waited for a connection to the database, at most, of the moments when that was looked at. */
  database_waiting: number;
}

export interface HoldupWatch {
  /** Since the last report. */
  report(): Holdups;
  stop(): Promise<void>;
}

/** A look takes a server some milliseconds: it counts the files that are open, and thousands of them are sockets. */
const LOOK_EVERY_MS = 5_000;
/** The clock by which servers measure their lateness: nobody is earlier. */
const CLOCK_MS = 10;

/** Asks servers' own metrics now and then; every five seconds where nothing else is wanted. */
export function watchHoldups(metricsUrls: readonly string[], everyMs: number = LOOK_EVERY_MS): HoldupWatch {
  const stopping = new AbortController();
  let worst: Holdups = { server_late_ms: 0, database_waiting: 0 };
  const look = async (url: string): Promise<void> => {
    const text = await (await fetch(url, { signal: stopping.signal })).text();
    const lateMs = Math.max(0, valueIn(text, 'nodejs_eventloop_lag_max_seconds') * 1_000 - CLOCK_MS);
    worst = {
      server_late_ms: Math.max(worst.server_late_ms, Math.round(lateMs)),
      database_waiting: Math.max(worst.database_waiting, valueIn(text, 'kelpie_database_waiting')),
    };
  };
  const looking = Promise.all(
    metricsUrls.map(async (url) => {
      while (!stopping.signal.aborted) {
        // One that is not there says so by everything else that fails.
        await look(url).catch(() => undefined);
        await pause(everyMs, stopping.signal);
      }
    }),
  );
  return {
    report() {
      const found = worst;
      worst = { server_late_ms: 0, database_waiting: 0 };
      return found;
    },
    async stop() {
      stopping.abort();
      await looking;
    },
  };
}

function valueIn(metrics: string, name: string): number {
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1] ?? 0);
}
