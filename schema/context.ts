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
import { jobTotals, newestAttempts, type JobTotals } from '../core/jobs/find.ts';
import type { Ban } from '../db/entities/ban.ts';
import type { Attempt } from '../db/entities/attempt.ts';
import type { Job } from '../db/entities/job.ts';
import { createLogLoader } from './log-loader.ts';

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
  /** Why a pending job waits. */
  whyWaiting(job: Job): Promise<string | undefined>;
  bans(job: Job): Promise<Ban[]>;
  /** The last lines of an attempt, by default the newest. */
  logs(wanted: { job: Job; tail: number; attempt: number | undefined }): Promise<LogLine[]>;
  /** Jobs that this operation has claimed: their holder sees all of them. */
  readonly claimed: Set<string>;
}

/** Attempts are loaded for all jobs of a step at once, and never remembered: a subscription's next step must see anew. */
export function createContext(shared: Shared, viewer: Viewer): Context {
  const { core } = shared;
  const newest = byJob(async (jobs) => newestAttempts(core, jobs));
  const totals = byJob(async (jobs) => jobTotals(core, idsOf(jobs)));
  const waiting = byJob(async (jobs) => whyWaiting(core, jobs));
  const bans = byJob(async (jobs) => Map.groupBy(await listBans(core, idsOf(jobs)), (ban) => ban.jobId));
  return {
    ...shared,
    viewer,
    claimed: new Set(),
    newestAttempt: newest,
    totals: async (job) => (await totals(job)) ?? { numHeartbeats: 0, runSeconds: 0 },
    whyWaiting: waiting,
    bans: async (job) => (await bans(job)) ?? [],
    logs: createLogLoader(core, viewer),
  };
}

/** Loads something for all jobs of a step at once, by job id. */
function byJob<Value>(load: (jobs: readonly Job[]) => Promise<Map<string, Value>>) {
  const loader = new DataLoader<Job, Value | undefined>(
    async (jobs) => {
      const found = await load(jobs);
      return jobs.map((job) => found.get(job.id));
    },
    { cache: false },
  );
  return (job: Job): Promise<Value | undefined> => loader.load(job);
}

function idsOf(jobs: readonly Job[]): string[] {
  return jobs.map((job) => job.id);
}
