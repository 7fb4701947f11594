import DataLoader from 'dataloader';
import type { AgentSignals } from '../core/agents/signals.ts';
import type { Viewer } from '../core/accounts/keys.ts';
import type { Core } from '../core/core.ts';
import { asAllWhoAsk, asksAlone, isAsking, refusalToTell } from '../core/fair-share.ts';
import { findAgents, heldJobs, type SeenAgent } from '../core/agents/find.ts';
import { demand } from '../core/accounts/keys.ts';
import type { AccountFeed } from '../core/events/account-feed.ts';
import type { GroupWatchers } from '../core/groups/watch.ts';
import type { JobWatchers } from '../core/events/watch.ts';
import type { LogFollowers } from '../core/logs/follow.ts';
import type { LogLine } from '../core/logs/lines.ts';
import { listBans } from '../core/jobs/bans.ts';
import { whyWaiting } from '../core/jobs/waiting.ts';
import { triesOf } from '../core/webhooks/log.ts';
import { findJobs, jobTotals, newestAttempts, syncLags, type JobTotals } from '../core/jobs/find.ts';
import type { Ban } from '../db/entities/ban.ts';
import type { Attempt } from '../db/entities/attempt.ts';
import type { Job } from '../db/entities/job.ts';
import type { JobEvent } from '../db/entities/job-event.ts';
import { createLogLoader } from './log-loader.ts';
import type { WebhookDelivery } from '../db/entities/webhook-delivery.ts';
import type { WebhookTry } from '../db/entities/webhook-try.ts';
import { outside } from '../lib/outside.ts';

/** Attempts that one statement looks up. */
const MAX_BATCH = 1_000;

/** What the whole server shares, given to every operation. */
export interface Shared {
  core: Core;
  watchers: JobWatchers;
  groupWatchers: GroupWatchers;
  accountFeed: AccountFeed;
  signals: AgentSignals;
  logFollowers: LogFollowers;
  newestAttempt: AttemptLoader;
  /** How long an agent may be without a connection before its leases end. */
  reconnectGraceSeconds: number;
}

export type AttemptLoader = (job: Job) => Promise<Attempt | undefined>;

/** What one operation knows: who asks, and what it has loaded. */
export interface Context extends Shared {
  viewer: Viewer;
  /** Aborted when who asked over HTTP has hung up. */
  gone: AbortSignal | undefined;
  totals(job: Job): Promise<JobTotals>;
  /** Seconds; see `Job.syncLagSeconds`. */
  syncLag(job: Job): Promise<number | undefined>;
  /** Why a pending job waits. */
  whyWaiting(job: Job): Promise<string | undefined>;
  bans(job: Job): Promise<Ban[]>;
  /** The agent that made an attempt, while it is known. */
  agentOf(attempt: Attempt): Promise<SeenAgent | null>;
  /** An agent as it is now; undefined when it is not known any more. */
  agent(id: string): Promise<SeenAgent | undefined>;
  /** The job that an event is about; undefined when it is no longer there. */
  jobOf(event: JobEvent): Promise<Job | undefined>;
  /** The jobs that an agent holds. */
  heldBy(agentId: string): Promise<Job[]>;
  /** The last lines of an attempt, by default the newest. */
  logs(wanted: { job: Job; tail: number; attempt: number | undefined }): Promise<LogLine[]>;
  webhookTries(delivery: WebhookDelivery): Promise<WebhookTry[]>;
  /** Jobs that this operation has claimed: their holder sees all of them. */
  readonly claimed: Set<string>;
}

/**
 * The newest attempts of jobs, loaded at once for all of the server that ask for single ones: those who watch one job are many, and were
 * handed the same one, and so it is with agents' reports. Whoever asks alone has a loader of its own (`createContext`). Nothing is
 * remembered: a subscription's next step must see anew.
 */
export function createAttemptLoader(core: Core): AttemptLoader {
  const ofWork = attemptLoader(core, outside);
  const ofAskers = attemptLoader(core, asAllWhoAsk);
  return (job) => (isAsking() ? ofAskers : ofWork).load(job);
}

type Run = <Result>(load: () => Result) => Result;

/** @param onBehalf runs what is loaded on behalf of whom it counts for */
function attemptLoader(core: Core, onBehalf: Run) {
  return new DataLoader<Job, Attempt | undefined>(
    async (jobs) => {
      const found = await onBehalf(() => newestAttempts(core, [...new Set(jobs)]));
      return Promise.all(
        jobs.map(async (job) => {
          const attempt = found.get(job.id);
          if (attempt === undefined || attempt.number === job.attemptNumber) return attempt;
          // Another operation had read the same job at another time, and asked for another attempt at it.
          return (await onBehalf(() => newestAttempts(core, [job]))).get(job.id);
        }),
      );
    },
    { cache: false, maxBatchSize: MAX_BATCH },
  );
}

/** Whoever asks now. */
const theirs: Run = (load) => load();

/** The rest is loaded for all jobs of an operation's step at once, and not remembered either. */
export function createContext(shared: Shared, viewer: Viewer, gone?: AbortSignal): Context {
  const { core } = shared;
  let attempts: ReturnType<typeof attemptLoader> | undefined;
  const totals = byId(async (jobs: readonly Job[]) => jobTotals(core, idsOf(jobs)));
  const lags = byId(async (jobs: readonly Job[]) => syncLags(core, idsOf(jobs)));
  const waiting = byId(async (jobs: readonly Job[]) => whyWaiting(core, jobs));
  const tries = byId(async (deliveries: readonly WebhookDelivery[]) => triesOf(core, idsOf(deliveries)));
  const agents = byId(async (named: readonly { id: string }[]) => findAgents(core, viewer, idsOf(named)));
  const jobs = byId(async (named: readonly { id: string }[]) =>
    byTheirIds(await findJobs(core, viewer, [...new Set(idsOf(named))])),
  );
  const held = byId(async (named: readonly { id: string }[]) => heldJobs(core, viewer, idsOf(named)));
  const bans = byId(async (jobs: readonly Job[]) => Map.groupBy(await listBans(core, idsOf(jobs)), (ban) => ban.jobId));
  return {
    ...shared,
    viewer,
    gone,
    claimed: new Set(),
    newestAttempt: async (job) => {
      if (refusalToTell() !== undefined) return undefined;
      return asksAlone() ? (attempts ??= attemptLoader(core, theirs)).load(job) : shared.newestAttempt(job);
    },
    totals: async (job) => (await totals(job)) ?? { numHeartbeats: 0, runSeconds: 0 },
    syncLag: lags,
    whyWaiting: waiting,
    bans: async (job) => (await bans(job)) ?? [],
    agentOf: async ({ agentId }) => {
      demand(viewer, 'read');
      return agentId === null ? null : ((await agents({ id: agentId })) ?? null);
    },
    agent: (id) => agents({ id }),
    jobOf: ({ jobId }) => jobs({ id: jobId }),
    heldBy: async (agentId) => (await held({ id: agentId })) ?? [],
    logs: createLogLoader(core, viewer),
    webhookTries: async (delivery) => (await tries(delivery)) ?? [],
  };
}

/** Loads something for all rows of a step at once, by their ids. Most operations load little, and subscriptions live long. */
function byId<Row extends { id: string }, Value>(load: (rows: readonly Row[]) => Promise<Map<string, Value>>) {
  let loader: DataLoader<Row, Value | undefined> | undefined;
  const loadAll = async (rows: readonly Row[]): Promise<(Value | undefined)[]> => {
    // Whoever is refused is shown none of it.
    const found = refusalToTell() === undefined ? await load(rows) : new Map<string, Value>();
    return rows.map((row) => found.get(row.id));
  };
  return (row: Row): Promise<Value | undefined> => (loader ??= new DataLoader(loadAll, { cache: false })).load(row);
}

function byTheirIds<Row extends { id: string }>(rows: readonly Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.id, row]));
}

function idsOf(rows: readonly { id: string }[]): string[] {
  return rows.map((row) => row.id);
}
