import type { GraceMillis, Presence } from './trust.ts';

/** Whether a server watches this agent, as its connections come and go. Times are milliseconds of the monotonic clock. */
export interface PresenceRecord {
  readonly now: Presence;
  /** How long a lost connection is let be, in milliseconds: what this agent was told at its start, or the server's where that is less. */
  graceMillis(): GraceMillis;
  graceIs(millis: GraceMillis): void;
  /** A server is asked to watch the connection; from now on its end may shorten leases, noticed at any time. */
  ask(): void;
  /** The server has said that it watches the present connection. */
  begin(at: number): void;
  /** A ping of the present connection was answered. */
  answered(sentAt: number): void;
  /** The present connection, or its being watched, is over. */
  end(): void;
  /** The most time that may pass between two heartbeats because of the connection. */
  beatWithinMs(): number;
  /** Returns what ends it. */
  onChange(listener: () => void): () => void;
}

/** A lease that a lost connection may have shortened is kept by heartbeats alone until the server watches the next one. */
const WITHOUT_ITS_CONNECTION_MS = 2000;
/** Without signals a cancel is only noticed by a heartbeat. */
const WITHOUT_SIGNALS_MS = 5000;

export function createPresence(configuredGrace: GraceMillis): PresenceRecord {
  let grace = configuredGrace;
  const listeners = new Set<() => void>();
  let now: Presence = { isWatched: false, since: undefined, answeredAt: -Infinity };
  const change = (next: Partial<Presence>) => {
    now = { ...now, ...next };
    for (const listener of listeners) listener();
  };
  return {
    get now() {
      return now;
    },
    graceMillis: () => grace,
    graceIs(millis) {
      // Servers may differ, and any of them may be the one that watches next.
      grace = Math.min(grace, millis);
      change({});
    },
    ask: () => change({ isWatched: true }),
    begin: (at) => change({ since: at }),
    answered: (sentAt) => change({ answeredAt: sentAt }),
    end: () => change({ since: undefined, answeredAt: -Infinity }),
    beatWithinMs() {
      if (now.since !== undefined) return Infinity;
      return now.isWatched ? WITHOUT_ITS_CONNECTION_MS : WITHOUT_SIGNALS_MS;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
