import DataLoader from 'dataloader';
import type { Viewer } from '../core/accounts/keys.ts';
import { demand } from '../core/accounts/keys.ts';
import { findAgents, heldJobs, type SeenAgent } from '../core/agents/find.ts';
import type { Core } from '../core/core.ts';
import { asAllWhoAsk, asksAlone, isAsking, refusalToTell } from '../core/fair-share.ts';
import { listBans } from '../core/jobs/bans.ts';
import { findJobs, jobTotals, newestAttempts, syncLags, type JobTotals } from '../core/jobs/find.ts';
import { whyWaiting } from '../core/jobs/waiting.ts';
import type { LogLine } from '../core/logs/lines.ts';
import { triesOf } from '../core/webhooks/log.ts';
import type { Attempt } from '../db/entities/attempt.ts';
import type { Ban } from '../db/entities/ban.ts';
import type { Job } from '../db/entities/job.ts';
import type { JobEvent } from '../db/entities/job-event.ts';
import type { WebhookDelivery } from '../db/entities/webhook-delivery.ts';
import type { WebhookTry } from '../db/entities/webhook-try.ts';
import { outside } from '../lib/outside.ts';
import { createLogLoader } from './log-loader.ts';

/** Attempts that one statement looks up. */
const MAX_BATCH = 1_000;

interface Named {
  id: string;
}

type ById<Row, Value> = (row: Row) => Promise<Value | undefined>;

/**
 * What one operation looks up beside what it was asked for: for all rows of a step at once, and not remembered, as a subscription's next step
 * must see anew. Most operations look up little, and subscriptions live long, thousands of them: so each loader is made when it is asked for.
 */
export class Lookups {
  readonly #core: Core;
  readonly #viewer: Viewer;
  readonly #sharedAttempt: AttemptLoader;
  #ownAttempt?: DataLoader<Job, Attempt | undefined>;
  #totals?: ById<Job, JobTotals>;
  #lags?: ById<Job, number>;
  #waiting?: ById<Job, string>;
  #bans?: ById<Job, Ban[]>;
  #agents?: ById<Named, SeenAgent>;
  #jobs?: ById<Named, Job>;
  #held?: ById<Named, Job[]>;
  #tries?: ById<WebhookDelivery, WebhookTry[]>;
  #logs?: ReturnType<typeof createLogLoader>;

  constructor(core: Core, viewer: Viewer, newestAttempt: AttemptLoader) {
    this.#core = core;
    this.#viewer = viewer;
    this.#sharedAttempt = newestAttempt;
  }

  async newestAttempt(job: Job): Promise<Attempt | undefined> {
    if (refusalToTell() !== undefined) return undefined;
    if (!asksAlone()) return this.#sharedAttempt(job);
    return (this.#ownAttempt ??= attemptLoader(this.#core, theirs)).load(job);
  }

  async totals(job: Job): Promise<JobTotals> {
    this.#totals ??= byId((jobs: readonly Job[]) => jobTotals(this.#core, idsOf(jobs)));
    return (await this.#totals(job)) ?? { numHeartbeats: 0, runSeconds: 0 };
  }

  /** Seconds; see `Job.syncLagSeconds`. */
  syncLag(job: Job): Promise<number | undefined> {
    return (this.#lags ??= byId((jobs: readonly Job[]) => syncLags(this.#core, idsOf(jobs))))(job);
  }

  /** Why a pending job waits. */
  whyWaiting(job: Job): Promise<string | undefined> {
    return (this.#waiting ??= byId((jobs: readonly Job[]) => whyWaiting(this.#core, jobs)))(job);
  }

  async bans(job: Job): Promise<Ban[]> {
    this.#bans ??= byId(async (jobs: readonly Job[]) =>
      Map.groupBy(await listBans(this.#core, idsOf(jobs)), (ban) => ban.jobId),
    );
    return (await this.#bans(job)) ?? [];
  }

  /** The agent that made an attempt, while it is known. */
  async agentOf({ agentId }: Attempt): Promise<SeenAgent | null> {
    demand(this.#viewer, 'read');
    return agentId === null ? null : ((await this.agent(agentId)) ?? null);
  }

  /** An agent as it is now; undefined when it is not known any more. */
  agent(id: string): Promise<SeenAgent | undefined> {
    this.#agents ??= byId((named: readonly Named[]) => findAgents(this.#core, this.#viewer, idsOf(named)));
    return this.#agents({ id });
  }

  /** The job that an event is about; undefined when it is no longer there. */
  jobOf({ jobId }: JobEvent): Promise<Job | undefined> {
    this.#jobs ??= byId(async (named: readonly Named[]) =>
      byTheirIds(await findJobs(this.#core, this.#viewer, [...new Set(idsOf(named))])),
    );
    return this.#jobs({ id: jobId });
  }

  /** The jobs that an agent holds. */
  async heldBy(agentId: string): Promise<Job[]> {
    this.#held ??= byId((named: readonly Named[]) => heldJobs(this.#core, this.#viewer, idsOf(named)));
    return (await this.#held({ id: agentId })) ?? [];
  }

  /** The last lines of an attempt, by default the newest. */
  logs(wanted: { job: Job; tail: number; attempt: number | undefined }): Promise<LogLine[]> {
    return (this.#logs ??= createLogLoader(this.#core, this.#viewer))(wanted);
  }

  async webhookTries(delivery: WebhookDelivery): Promise<WebhookTry[]> {
    this.#tries ??= byId((deliveries: readonly WebhookDelivery[]) => triesOf(this.#core, idsOf(deliveries)));
    return (await this.#tries(delivery)) ?? [];
  }
}

export type AttemptLoader = (job: Job) => Promise<Attempt | undefined>;

/**
 * The newest attempts of jobs, loaded at once for all of the server that ask for single ones: those who watch one job are many, and were
 * handed the same one, and so it is with agents' reports. Whoever asks alone has a loader of its own (`Lookups`). Nothing is
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

/** Loads something for all rows of a step at once, by their ids. */
function byId<Row extends Named, Value>(load: (rows: readonly Row[]) => Promise<Map<string, Value>>): ById<Row, Value> {
  const loader = new DataLoader<Row, Value | undefined>(
    async (rows) => {
      // Whoever is refused is shown none of it.
      const found = refusalToTell() === undefined ? await load(rows) : new Map<string, Value>();
      return rows.map((row) => found.get(row.id));
    },
    { cache: false },
  );
  return (row) => loader.load(row);
}

function byTheirIds<Row extends { id: string }>(rows: readonly Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.id, row]));
}

function idsOf(rows: readonly { id: string }[]): string[] {
  return rows.map((row) => row.id);
}
