import DataLoader from 'dataloader';
import type { AgentSignals } from '../core/agents/signals.ts';
import type { Viewer } from '../core/accounts/keys.ts';
import type { Core } from '../core/core.ts';
import type { AccountFeed } from '../core/events/account-feed.ts';
import type { JobWatchers } from '../core/events/watch.ts';
import type { LogFollowers } from '../core/logs/follow.ts';
import type { LogLine } from '../core/logs/lines.ts';
import { listBans } from '../core/jobs/bans.ts';
import { whyWaiting } from '../core/jobs/waiting.ts';
import { triesOf } from '../core/webhooks/log.ts';
import { jobTotals, newestAttempts, syncLags, type JobTotals } from '../core/jobs/find.ts';
import type { Ban } from '../db/entities/ban.ts';
import type { Attempt } from '../db/entities/attempt.ts';
import type { Job } from '../db/entities/job.ts';
import { createLogLoader } from './log-loader.ts';
import type { WebhookDelivery } from '../db/entities/webhook-delivery.ts';
import type { WebhookTry } from '../db/entities/webhook-try.ts';

/** What the whole server shares, given to every operation. */
export interface Shared {
  core: Core;
  watchers: JobWatchers;
  accountFeed: AccountFeed;
  signals: AgentSignals;
  logFollowers: LogFollowers;
  /** How long an agent may be without a connection before its leases end. */
  reconnectGraceSeconds: number;
}

/** What one operation knows: who asks, and what it has loaded. */
export interface Context extends Shared {
  viewer: Viewer;
  newestAttempt(job: Job): Promise<Attempt | undefined>;
  totals(job: Job): Promise<JobTotals>;
  /** Seconds; see `Job.syncLagSeconds`. */
  syncLag(job: Job): Promise<number | undefined>;
  /** Why a pending job waits. */
  whyWaiting(job: Job): Promise<string | undefined>;
  bans(job: Job): Promise<Ban[]>;
  /** The last lines of an attempt, by default the newest. */
  logs(wanted: { job: Job; tail: number; attempt: number | undefined }): Promise<LogLine[]>;
  webhookTries(delivery: WebhookDelivery): Promise<WebhookTry[]>;
  /** Jobs that this operation has claimed: their holder sees all of them. */
  readonly claimed: Set<string>;
}

/** Attempts are loaded for all jobs of a step at once, and never remembered: a subscription's next step must see anew. */
export function createContext(shared: Shared, viewer: Viewer): Context {
  const { core } = shared;
  const newest = byId(async (jobs: readonly Job[]) => newestAttempts(core, jobs));
  const totals = byId(async (jobs: readonly Job[]) => jobTotals(core, idsOf(jobs)));
  const lags = byId(async (jobs: readonly Job[]) => syncLags(core, idsOf(jobs)));
  const waiting = byId(async (jobs: readonly Job[]) => whyWaiting(core, jobs));
  const tries = byId(async (deliveries: readonly WebhookDelivery[]) => triesOf(core, idsOf(deliveries)));
  const bans = byId(async (jobs: readonly Job[]) => Map.groupBy(await listBans(core, idsOf(jobs)), (ban) => ban.jobId));
  return {
    ...shared,
    viewer,
    claimed: new Set(),
    newestAttempt: newest,
    totals: async (job) => (await totals(job)) ?? { numHeartbeats: 0, runSeconds: 0 },
    syncLag: lags,
    whyWaiting: waiting,
    bans: async (job) => (await bans(job)) ?? [],
    logs: createLogLoader(core, viewer),
    webhookTries: async (delivery) => (await tries(delivery)) ?? [],
  };
}

/** Loads something for all rows of a step at once, by their ids. */
function byId<Row extends { id: string }, Value>(load: (rows: readonly Row[]) => Promise<Map<string, Value>>) {
  const loader = new DataLoader<Row, Value | undefined>(
    async (rows) => {
      const found = await load(rows);
      return rows.map((row) => found.get(row.id));
    },
    { cache: false },
  );
  return (row: Row): Promise<Value | undefined> => loader.load(row);
}

function idsOf(rows: readonly { id: string }[]): string[] {
  return rows.map((row) => row.id);
}
