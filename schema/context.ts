import type { Viewer } from '../core/accounts/keys.ts';
import type { AgentSignals } from '../core/agents/signals.ts';
import type { Core } from '../core/core.ts';
import type { AccountFeed } from '../core/events/account-feed.ts';
import type { JobWatchers } from '../core/events/watch.ts';
import type { GroupWatchers } from '../core/groups/watch.ts';
import type { LogFollowers } from '../core/logs/follow.ts';
import { Lookups, type AttemptLoader } from './lookups.ts';

/** What the whole server shares, given to every operation. */
export interface Shared {
  core: Core;
  watchers: JobWatchers;
  groupWatchers: GroupWatchers;
  accountFeed: AccountFeed;
  signals: AgentSignals;
  logFollowers: LogFollowers;
  /** How long an agent may be without a connection before its leases end. */
  reconnectGraceSeconds: number;
}

/** What one operation knows: who asks, and what it looks up. */
export interface Context extends Shared {
  viewer: Viewer;
  /** Aborted when who asked has hung up. Asked for where somebody has to wait: thousands of subscriptions never do. */
  gone: () => AbortSignal | undefined;
  lookups: Lookups;
  /** Ids of jobs that this operation has claimed: their holder sees all of them. */
  readonly claimed: string[];
}

export function createContext(
  shared: Shared,
  viewer: Viewer,
  { newestAttempt, gone }: { newestAttempt: AttemptLoader; gone: Context['gone'] },
): Context {
  return { ...shared, viewer, gone, lookups: new Lookups(shared.core, viewer, newestAttempt), claimed: [] };
}
