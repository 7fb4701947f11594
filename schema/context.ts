import DataLoader from 'dataloader';
import type { AgentSignals } from '../core/agents/signals.ts';
import type { Viewer } from '../core/accounts/keys.ts';
import type { Core } from '../core/core.ts';
import type { JobWatchers } from '../core/events/watch.ts';
import { jobTotals, newestAttempts, type JobTotals } from '../core/jobs/find.ts';
import type { Attempt } from '../db/entities/attempt.ts';
import type { Job } from '../db/entities/job.ts';

/** What the whole server shares, given to every operation. */
export interface Shared {
  core: Core;
  watchers: JobWatchers;
  signals: AgentSignals;
}

/** What one operation knows: who asks, and what it has loaded. */
export interface Context extends Shared {
  viewer: Viewer;
  newestAttempt(job: Job): Promise<Attempt | undefined>;
  totals(job: Job): Promise<JobTotals>;
}

/** Attempts are loaded for all jobs of a step at once, and never remembered: a subscription's next step must see anew. */
export function createContext(shared: Shared, viewer: Viewer): Context {
  const newest = new DataLoader<Job, Attempt | undefined>(
    async (jobs) => {
      const attempts = await newestAttempts(shared.core, jobs);
      return jobs.map((job) => attempts.get(job.id));
    },
    { cache: false },
  );
  const totals = new DataLoader<Job, JobTotals>(
    async (jobs) => {
      const found = await jobTotals(
        shared.core,
        jobs.map((job) => job.id),
      );
      return jobs.map((job) => found.get(job.id) ?? { numHeartbeats: 0, runSeconds: 0 });
    },
    { cache: false },
  );
  return { ...shared, viewer, newestAttempt: (job) => newest.load(job), totals: (job) => totals.load(job) };
}
