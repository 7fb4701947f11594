import { boundedMap } from '../../lib/bounded-map.ts';

/** How many agents that were not known before an account may bring; each server counts for itself. */
export interface Newcomers {
  /** Seconds until another one may come; 0 when one may now. */
  waitSeconds(accountId: string): number;
  /** One has come. */
  came(accountId: string): void;
}

export interface NewcomersOptions {
  /** So many in one window (25,000): a fleet of 20,000 machines that starts at once. */
  most?: number | undefined;
  /** Length of a window, in seconds (300). It begins with its first newcomer. */
  windowSeconds?: number | undefined;
  /** Milliseconds, by a clock that never goes back. */
  now?: () => number;
}

const MOST = 25_000;
const WINDOW_SECONDS = 300;
/** Accounts that are counted at a time; above that, the one that brought nobody for longest is counted anew. */
const MOST_ACCOUNTS = 10_000;

/** Each agent is a row that is kept for days, and whoever has a key of the account's agents may make up machines and sessions. */
export function createNewcomers(options: NewcomersOptions = {}): Newcomers {
  const { most = MOST, windowSeconds = WINDOW_SECONDS, now = () => performance.now() } = options;
  const windows = boundedMap<{ endsAt: number; count: number }>(MOST_ACCOUNTS);
  const present = (accountId: string) => {
    const window = windows.get(accountId);
    return window !== undefined && window.endsAt > now() ? window : undefined;
  };
  return {
    waitSeconds(accountId) {
      const window = present(accountId);
      return window === undefined || window.count < most ? 0 : Math.max(1, Math.ceil((window.endsAt - now()) / 1_000));
    },
    came(accountId) {
      const { endsAt, count } = present(accountId) ?? { endsAt: now() + windowSeconds * 1_000, count: 0 };
      windows.set(accountId, { endsAt, count: count + 1 });
    },
  };
}
